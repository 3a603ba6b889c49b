/**
 * Dropout in training mode (ONNX Dropout 13; Srivastava et al. 2014): what stays is an input of the step, drawn outside
 * by seed, so that a step done again drops the same values. ONNX Runtime's own draws come from a state that cannot be
 * set back.
 */
import { attr, type GraphBuilder, type GraphNode } from "../graph/index.ts";
import { withScalar } from "./gradient-context.ts";

/** An input of a step: uint8, 1 where a value stays. */
export interface DropoutMask {
  readonly input: string;
  readonly shape: readonly number[];
  /** Chance that a value is dropped, in [0, 1). */
  readonly ratio: number;
}

const TO_BOOL = { to: attr.int(9) };

/** ONNX's ratio where a node gives none. */
const RATIO = 0.5;

/**
 * Appends the node; in training mode as a product with its mask over the share that stays. A node whose mode or ratio
 * depends on data stays as it is, for its gradient rule to refuse.
 * @param number of the mask within the step.
 */
export function appendDropout(b: GraphBuilder, node: GraphNode, number: number): readonly DropoutMask[] {
  const [x, ratioInput, trainingInput] = node.inputs;
  const known = (name: string | undefined, otherwise: number): number | undefined => {
    if (name === undefined || name === "") return otherwise;
    const value = b.fact(name).value;
    return value === undefined ? undefined : Number(value.data[0]);
  };
  const [ratio, training] = [known(ratioInput, RATIO), known(trainingInput, 0)];
  if (ratio === undefined || training !== 1 || ratio <= 0 || ratio >= 1) {
    b.append(ratio === 0 ? { ...node, inputs: [x] } : node);
    return [];
  }
  const mask: DropoutMask = { input: `dropout.${number}`, shape: b.shape(x), ratio };
  b.input(mask.input, "uint8", mask.shape);
  const stays = b.emit("Cast", [mask.input], { to: attr.int(1) });
  const factor = withScalar(b, "Mul", stays, 1 / (1 - ratio));
  const [dropped, kept] = node.outputs;
  b.append({ opType: "Mul", name: node.name, inputs: [x, factor], outputs: [dropped], attributes: {} });
  if (kept) b.append({ opType: "Cast", name: kept, inputs: [mask.input], outputs: [kept], attributes: TO_BOOL });
  return [mask];
}
