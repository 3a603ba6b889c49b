/** The loss that a study declares, as a graph builder: from a network's outputs and labels to a scalar. */
import { ConsiliumError, invariant } from "../base/index.ts";
import type { GraphBuilder } from "../graph/index.ts";
import type { LossSpec } from "../study/index.ts";
import { type ClassLoss, classLoss } from "./class-losses.ts";
import { slice, spatialAxes, withScalar } from "./gradient-context.ts";
import { type RegionLoss, regionLoss } from "./region-losses.ts";

/** What a network learns to say, and by which loss. */
export interface Objective {
  readonly loss: LossSpec;
  /** Classes of each region, in the order of the output's channels; for losses over regions. */
  readonly regions?: readonly (readonly number[])[];
  /** Weights of the outputs, finest first; without them only the first output counts. */
  readonly deepSupervision?: readonly number[];
}

/** Softmax cross-entropy and soft Dice over all classes but background, with sums over batch and voxels. */
export const CROSS_ENTROPY_AND_DICE: Objective = {
  loss: { kind: "crossEntropyAndDice", dice: { sumOver: "batch", perClass: true, background: false } },
};

/**
 * @param outputs names of float32 values [N, K, ...], the first as fine as the labels. The others are held against
 *   labels taken from the middle of each block of voxels (Lee et al. 2015, deep supervision).
 * @param labels name of a uint8 value [N, ...].
 * @returns the name of a scalar [].
 * @throws ConsiliumError `shape-mismatch` where the objective asks for other outputs.
 */
export function objectiveLoss(
  b: GraphBuilder,
  objective: Objective,
  outputs: readonly string[],
  labels: string,
): string {
  const weights = objective.deepSupervision ?? [1];
  if (objective.deepSupervision !== undefined && weights.length !== outputs.length) {
    throw mismatch("outputs of the network", `${weights.length}, one for each weight`, String(outputs.length));
  }
  const terms = weights.flatMap((weight, i) => {
    if (weight === 0) return [];
    const loss = lossAt(b, objective, outputs[i], labelsAt(b, labels, b.shape(outputs[i]).slice(2)));
    return [weight === 1 ? loss : withScalar(b, "Mul", loss, weight)];
  });
  return terms.reduce((left, right) => b.emit("Add", [left, right]));
}

function lossAt(b: GraphBuilder, { loss, regions }: Objective, logits: string, labels: string): string {
  if (!isOfRegions(loss)) {
    const weights = "classWeights" in loss ? loss.classWeights : undefined;
    const channels = b.shape(logits)[1];
    if (weights !== undefined && weights.length !== channels) {
      throw mismatch("class weights of the loss", `${channels}, one for each class`, String(weights.length));
    }
    return classLoss(b, loss, logits, labels);
  }
  invariant(regions !== undefined, "the classes of each region, for a loss over regions");
  if (regions.length !== b.shape(logits)[1]) {
    throw mismatch("regions of the loss", `${b.shape(logits)[1]}, one for each channel`, String(regions.length));
  }
  return regionLoss(b, loss, regions, logits, labels);
}

function isOfRegions(loss: ClassLoss | RegionLoss): loss is RegionLoss {
  return loss.kind.startsWith("region");
}

/** Nearest neighbours on a coarser grid of whole blocks. */
function labelsAt(b: GraphBuilder, labels: string, sides: readonly number[]): string {
  const fine = b.shape(labels).slice(1);
  if (fine.join() === sides.join()) return labels;
  const steps = fine.map((size, i) => size / sides[i]);
  if (steps.length !== sides.length || !steps.every(Number.isInteger)) {
    throw mismatch("output of the network", `sides that divide ${fine.join(" x ")}`, sides.join(" x "));
  }
  const axes = spatialAxes(sides.length + 2).map((axis) => axis - 1);
  const starts = steps.map((step) => Math.floor(step / 2));
  return slice(b, labels, axes, starts, fine, steps);
}

function mismatch(subject: string, expected: string, actual: string): ConsiliumError {
  const hint = "Let the study's loss and the network's outputs agree.";
  return new ConsiliumError("shape-mismatch", { subject, expected, actual, hint });
}
