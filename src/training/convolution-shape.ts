/** What the gradients of a convolution need to know of it. */
import type { Window } from "../graph/index.ts";

export interface ConvolutionShape {
  /** [N, C, ...] of the convolution's input. */
  readonly input: readonly number[];
  /** [O, C / group, ...]. */
  readonly weight: readonly number[];
  /** [N, O, ...] of the convolution's output. */
  readonly output: readonly number[];
  readonly window: Window;
  readonly group: number;
}
