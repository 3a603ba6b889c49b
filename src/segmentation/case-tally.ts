/**
 * What one case adds to federated statistics: counts of voxels by intensity, sizes of voxels, volumes of regions, and
 * which classes it has. A tally never leaves the site: `told-statistics` of the site sums and withholds.
 *
 * Normalised intensities are those of every voxel of the brain as the network sees it (`prepareCase`); raw ones those of
 * the non-zero voxels of each file. Sizes and volumes are those of the files' own grid, along its axes in LPS order.
 */
import { AXES, cellCount, cellOf, PARTS_OF_UNIT } from "../aggregation/index.ts";
import {
  type CaseFiles,
  type LabelConvention,
  type LoadedCase,
  loadCase,
  prepareCase,
  reorient,
  spacingMmOf,
} from "../imaging/index.ts";
import type { CellRange, Study } from "../study/index.ts";
import { labelMapMissing } from "./evaluate-case.ts";

export interface CaseTally {
  readonly caseId: string;
  /** By scan, voxels in each cell; scans that the case lacks are not there. */
  readonly intensities: Readonly<Record<string, readonly number[]>>;
  /** By axis, in whole micrometres. */
  readonly voxelSizes: Readonly<Record<string, number>>;
  /** By region, in whole cubic millimetres. */
  readonly volumes: Readonly<Record<string, number>>;
  /** Classes of the label map, background left out. */
  readonly labels: readonly string[];
}

/** @throws ConsiliumError `label-unknown` where the case has no label map, and what loading and preparing it throw */
export async function tallyCase(
  files: CaseFiles,
  convention: LabelConvention,
  { task, statistics }: Pick<Study, "task" | "statistics">,
): Promise<CaseTally> {
  const loaded = await loadCase(files, convention);
  const { labelMap } = loaded;
  if (labelMap === undefined) throw labelMapMissing(files.id);
  const voxels = new Array<number>(task.labels.length).fill(0);
  for (const label of labelMap.data) voxels[label]++;
  const spacing = spacingMmOf(reorient(labelMap, "LPS").affineVoxelToRas);
  const voxelMm3 = spacing[0] * spacing[1] * spacing[2];
  const volumeOf = (classes: readonly number[]): number =>
    Math.round(voxelMm3 * classes.reduce((sum, label) => sum + voxels[label], 0));
  return {
    caseId: files.id,
    intensities: intensitiesOf(loaded, task, statistics?.intensities),
    voxelSizes: Object.fromEntries(AXES.map((axis, a) => [axis, Math.round(spacing[a] * PARTS_OF_UNIT)])),
    volumes: Object.fromEntries(Object.entries(task.regions).map(([region, classes]) => [region, volumeOf(classes)])),
    labels: task.labels.filter((_, label) => label > 0 && voxels[label] > 0),
  };
}

function intensitiesOf(
  loaded: LoadedCase,
  task: Study["task"],
  asked: NonNullable<Study["statistics"]>["intensities"],
): CaseTally["intensities"] {
  if (asked === undefined) return {};
  const present = task.channels.filter((channel) => loaded.modalities.includes(channel));
  if (asked.of === "raw") {
    return Object.fromEntries(
      present.map((channel) => {
        const { data } = loaded.channels[loaded.modalities.indexOf(channel)];
        return [channel, countVoxels(data, (i) => data[i] !== 0, asked)];
      }),
    );
  }
  const { image, brain } = prepareCase(loaded, task);
  return Object.fromEntries(
    present.map((channel) => {
      const at = task.channels.indexOf(channel) * brain.length;
      const scan = image.subarray(at, at + brain.length);
      return [channel, countVoxels(scan, (i) => brain[i] === 1, asked)];
    }),
  );
}

function countVoxels(values: Float32Array, counts: (i: number) => boolean, range: CellRange): number[] {
  const cells = new Array<number>(cellCount(range)).fill(0);
  for (let i = 0; i < values.length; i++) if (counts(i)) cells[cellOf(values[i], range)]++;
  return cells;
}
