/** Soft Dice (Milletari et al. 2016) of probabilities, for classes that exclude each other and for regions alike. */
import { float32Tensor, type GraphBuilder } from "../graph/index.ts";
import type { LossSpec } from "../study/index.ts";
import { reduce, reshape, spatialAxes, withScalar } from "./gradient-context.ts";

export type DiceSpec = Extract<LossSpec, { kind: "dice" }>["dice"];

const SMOOTH = 1e-5;

/**
 * One minus the mean of (2 sum(p y) + 1e-5) / (sum(p) + sum(y) + 1e-5): over batch and voxels for each channel, or for
 * each case and channel; or one ratio of sums over all counted channels.
 * @param p, y probabilities and targets [N, K, ...]; zero in both where a voxel does not count.
 * @param counted which of the K channels are counted.
 * @returns the name of a scalar [].
 */
export function diceTerm(
  b: GraphBuilder,
  p: string,
  y: string,
  { sumOver, perClass }: Pick<DiceSpec, "sumOver" | "perClass">,
  counted: readonly boolean[],
  smooth = SMOOTH,
): string {
  const shape = b.shape(p);
  const spatial = spatialAxes(shape.length);
  const axes = sumOver === "batch" ? [0, ...spatial] : spatial;
  const sum = (value: string): string => reduce(b, "ReduceSum", value, axes);
  const [overlap, mass] = [sum(b.emit("Mul", [p, y])), b.emit("Add", [sum(p), sum(y)])];
  const number = counted.filter(Boolean).length;
  const kept = (value: number): string =>
    b.constant(
      float32Tensor(
        [1, counted.length, ...spatial.map(() => 1)],
        Float32Array.from(counted, (is) => (is ? value : 0)),
      ),
    );
  const together = (value: string, weight: number): string =>
    reduce(b, "ReduceSum", b.emit("Mul", [value, kept(weight)]), [1]);
  const ratio = (over: string, under: string): string =>
    b.emit("Div", [withScalar(b, "Add", withScalar(b, "Mul", over, 2), smooth), withScalar(b, "Add", under, smooth)]);
  const dice = perClass ? together(ratio(overlap, mass), 1 / number) : ratio(together(overlap, 1), together(mass, 1));
  return b.emit("Sub", [b.scalar(1), reshape(b, reduce(b, "ReduceMean", dice, [0, 1, ...spatial]), [])]);
}
