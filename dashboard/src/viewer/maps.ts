/**
 * What is laid over a scan: the regions of a label map, or how two maps differ; and the figures beside it. Classes are
 * 0 background, 1 necrotic core, 2 oedema, 3 enhancing tumour, as src/imaging/label-convention.ts has them.
 */
export const REGIONS = [
  { name: "WT", meaning: "whole tumour", classes: [1, 2, 3], colour: [38, 180, 160] },
  { name: "TC", meaning: "tumour core", classes: [1, 3], colour: [245, 160, 50] },
  { name: "ET", meaning: "enhancing tumour", classes: [3], colour: [226, 70, 140] },
] as const;

export type RegionName = (typeof REGIONS)[number]["name"];

export const DIFFERENCES = [
  { name: "both", meaning: "in both", colour: [38, 180, 160] },
  { name: "labels", meaning: "only in the label map", colour: [80, 140, 250] },
  { name: "prediction", meaning: "only in the prediction", colour: [240, 90, 60] },
] as const;

type Classes = Uint8Array<ArrayBufferLike>;

/** The value of each class: the innermost region that is shown and holds it, counted from 1; 0 where none does. */
export function paintRegions(classes: Classes, shown: ReadonlySet<RegionName>): Uint8Array {
  const values = Uint8Array.from([0, 1, 2, 3], (each) =>
    REGIONS.reduce((value, { name, classes: own }, i) => {
      return shown.has(name) && (own as readonly number[]).includes(each) ? i + 1 : value;
    }, 0),
  );
  return classes.map((each) => values[each] ?? 0);
}

/** 1 in both, 2 only in the label map, 3 only in the prediction. */
export function paintDifference(labels: Classes, prediction: Classes, region: RegionName): Uint8Array {
  const isIn = membersOf(region);
  return labels.map((each, i) => {
    const [reference, predicted] = [isIn[each], isIn[prediction[i]]];
    return reference ? (predicted ? 1 : 2) : predicted ? 3 : 0;
  });
}

export interface RegionFigures {
  readonly name: RegionName;
  readonly labelsMl: number | null;
  readonly predictionMl: number | null;
  /** Null without both maps, or where both are empty. */
  readonly dice: number | null;
}

/** @param voxelMl millilitres of one voxel */
export function figuresOf(
  labels: Classes | undefined,
  prediction: Classes | undefined,
  voxelMl: number,
): readonly RegionFigures[] {
  return REGIONS.map(({ name }) => {
    const isIn = membersOf(name);
    let [ofLabels, ofPrediction, ofBoth] = [0, 0, 0];
    const length = (labels ?? prediction)?.length ?? 0;
    for (let i = 0; i < length; i++) {
      const reference = labels === undefined ? 0 : (isIn[labels[i]] ?? 0);
      const predicted = prediction === undefined ? 0 : (isIn[prediction[i]] ?? 0);
      ofLabels += reference;
      ofPrediction += predicted;
      ofBoth += reference & predicted;
    }
    const both = labels !== undefined && prediction !== undefined && ofLabels + ofPrediction > 0;
    return {
      name,
      labelsMl: labels === undefined ? null : ofLabels * voxelMl,
      predictionMl: prediction === undefined ? null : ofPrediction * voxelMl,
      dice: both ? (2 * ofBoth) / (ofLabels + ofPrediction) : null,
    };
  });
}

/** 1 for each class that belongs to the region. */
function membersOf(region: RegionName): Uint8Array {
  const members = new Uint8Array(256);
  for (const each of REGIONS.find(({ name }) => name === region)?.classes ?? []) members[each] = 1;
  return members;
}
