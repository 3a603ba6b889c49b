/**
 * A network that predicts windows: of the patch it was trained with, and, where it compares the brain's sides and a
 * head is broader than that patch, of a broader one, so that no patient is refused for the breadth of a head.
 */
import type { Graph, ParameterLayout } from "../graph/index.ts";
import type { Triple } from "../imaging/index.ts";
import { comparesSides } from "../networks/index.ts";
import { type ForwardSession, openForwardSession, type SessionOptions } from "../runtime/index.ts";
import { networkStrides, type Study } from "../study/index.ts";
import type { CaseWindow } from "./predict-case.ts";

export interface WindowPredictor {
  /** Of the parameters that `predict` takes. */
  readonly layout: ParameterLayout;
  /** How a case is cut into windows. */
  window(overlap: number): CaseWindow;
  /** Logits [K, d, h, w] of one window's image [C, d, h, w] of `sides` (x, y, z). */
  predict(image: Float32Array, sides: Triple, parameters: Float32Array): Promise<Float32Array>;
  close(): Promise<void>;
}

/** Memory is the network's at one window of the trained patch and, once a head needs one, at one broader window. */
export async function openWindowPredictor(
  network: Graph,
  { task, training, network: spec }: Pick<Study, "task" | "training" | "network">,
  options: SessionOptions,
): Promise<WindowPredictor> {
  const patch = training.patch as Triple;
  const open = ([width, height, depth]: Triple): Promise<ForwardSession> =>
    openForwardSession(network, [1, task.channels.length, depth, height, width], options);
  const usual = await open(patch);
  let broader: { readonly sides: Triple; readonly session: ForwardSession } | undefined;
  async function sessionFor(sides: Triple): Promise<ForwardSession> {
    if (isSame(sides, patch)) return usual;
    if (broader !== undefined && isSame(sides, broader.sides)) return broader.session;
    await broader?.session.close();
    broader = undefined;
    broader = { sides, session: await open(sides) };
    return broader.session;
  }
  return {
    layout: usual.layout,
    window: (overlap) => ({
      patch,
      channels: usual.classes,
      outputs: task.outputs,
      overlap,
      ...(comparesSides(spec) && { centredBy: networkStrides(spec)?.[0] ?? 1 }),
    }),
    predict: async (image, sides, parameters) => (await sessionFor(sides)).run(image, parameters),
    async close() {
      await usual.close();
      await broader?.session.close();
    },
  };
}

function isSame(a: Triple, b: Triple): boolean {
  return a.every((side, axis) => side === b[axis]);
}
