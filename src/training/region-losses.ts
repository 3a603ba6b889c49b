/** Losses of logits whose channels are regions, unions of classes that may overlap: each is a sigmoid of its own. */
import { attr, float32Tensor, type GraphBuilder } from "../graph/index.ts";
import type { LossSpec } from "../study/index.ts";
import { keptVoxels, sumOf } from "./class-losses.ts";
import { diceTerm } from "./dice-term.ts";
import { reshape, transpose, withScalar } from "./gradient-context.ts";

export type RegionLoss = Extract<LossSpec, { kind: `region${string}` }>;

/** What FeTS's loss adds to both sides of its ratios. */
const MIRRORED_SMOOTH = 1e-7;
const LABEL_VALUES = 256;

/**
 * @param regions the classes of each channel.
 * @param logits [N, R, ...].
 * @param labels uint8 classes [N, ...].
 * @returns the name of a scalar [].
 */
export function regionLoss(
  b: GraphBuilder,
  loss: RegionLoss,
  regions: readonly (readonly number[])[],
  logits: string,
  labels: string,
): string {
  const y = regionTargets(b, regions, labels);
  const [batch, , ...spatial] = b.shape(logits);
  const kept =
    loss.ignoreLabel === undefined
      ? undefined
      : keptVoxels(b, reshape(b, asInt32(b, labels), [batch, 1, ...spatial]), loss.ignoreLabel);
  const counted = regions.map(() => true);
  const masked = (value: string): string => (kept === undefined ? value : b.emit("Mul", [value, kept]));
  const p = (): string => b.emit("Sigmoid", [logits]);
  switch (loss.kind) {
    case "regionCrossEntropy":
      return crossEntropy(b, logits, y, kept, regions.length);
    case "regionCrossEntropyAndDice": {
      const dice = diceTerm(b, masked(p()), masked(y), loss.dice, counted);
      return b.emit("Add", [crossEntropy(b, logits, y, kept, regions.length), dice]);
    }
    case "regionMirroredDice": {
      const inside = p();
      const mirrored = (value: string): string => masked(b.emit("Sub", [b.scalar(1), value]));
      const term = (probabilities: string, targets: string): string =>
        diceTerm(b, probabilities, targets, { sumOver: "batch", perClass: true }, counted, MIRRORED_SMOOTH);
      const both = b.emit("Add", [term(masked(inside), masked(y)), term(mirrored(inside), mirrored(y))]);
      return withScalar(b, "Mul", both, 0.5);
    }
    default:
      return loss satisfies never;
  }
}

/** Mean over counted voxels and regions of log(1 + e^x) - x y, which is -y log p - (1 - y) log(1 - p). */
function crossEntropy(b: GraphBuilder, logits: string, y: string, kept: string | undefined, regions: number): string {
  const voxels = b.emit("Sub", [b.emit("Softplus", [logits]), b.emit("Mul", [logits, y])]);
  if (kept === undefined) {
    const elements = b.shape(voxels).reduce((product, size) => product * size, 1);
    return withScalar(b, "Mul", sumOf(b, voxels), 1 / elements);
  }
  const number = b.emit("Max", [sumOf(b, kept), b.scalar(1)]);
  return b.emit("Div", [withScalar(b, "Mul", sumOf(b, b.emit("Mul", [voxels, kept])), 1 / regions), number]);
}

/** uint8 [N, ...] to float32 [N, R, ...]: 1 where a voxel's class belongs to the region. */
function regionTargets(b: GraphBuilder, regions: readonly (readonly number[])[], labels: string): string {
  const [batch, ...spatial] = b.shape(labels);
  const table = Float32Array.from({ length: regions.length * LABEL_VALUES }, (_, i) =>
    regions[Math.floor(i / LABEL_VALUES)].includes(i % LABEL_VALUES) ? 1 : 0,
  );
  const lookup = b.constant(float32Tensor([regions.length, LABEL_VALUES], table));
  const byRegion = b.emit("Gather", [lookup, asInt32(b, labels)], { axis: attr.int(1) });
  if (batch === 1) return reshape(b, byRegion, [batch, regions.length, ...spatial]);
  return transpose(b, byRegion, [1, 0, ...spatial.map((_, i) => i + 2)]);
}

function asInt32(b: GraphBuilder, labels: string): string {
  return b.emit("Cast", [labels], { to: attr.int(6) });
}
