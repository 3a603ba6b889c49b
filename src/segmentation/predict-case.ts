/**
 * One patient seen by one model or several, upright or in mirrors as well: probabilities are averaged, and how far
 * the single opinions on each volume lie apart is the uncertainty that is told.
 *
 * Invariants
 * - Every opinion counts alike, and passes the same rules (`post-process.ts`) before its volumes are taken.
 * - With one opinion there is no spread, and none is told: a spread of zero would claim certainty.
 * - Memory: the image, one opinion and the sum, whatever the number of opinions.
 */
import {
  type LoadedCase,
  midSagittalX,
  prepareCase,
  restoreProbabilities,
  spacingMmOf,
  type Triple,
  type Volume,
} from "../imaging/index.ts";
import type { Study } from "../study/index.ts";
import { addMirrored, type Mirror, mirrored, UPRIGHT } from "./mirror.ts";
import { postProcess } from "./post-process.ts";
import { decisionOf, type Predict, predictVolume, type SlidingWindow, widthAround } from "./sliding-window.ts";

/** Windows as a model asks for them. */
export interface CaseWindow extends Omit<SlidingWindow, "midlineX"> {
  /**
   * For a model that compares the brain's sides: windows are centred on the mid-sagittal plane, and grow along x by
   * steps of so many voxels until they hold both sides.
   */
  readonly centredBy?: number;
}

/** A model ready to predict windows. */
export interface Member {
  readonly window: CaseWindow;
  readonly predict: Predict;
}

export interface PredictOptions {
  readonly task: Study["task"];
  /** At least one; all of one task. */
  readonly members: readonly Member[];
  readonly mirrors?: readonly Mirror[];
  readonly onWindow?: ((done: number, total: number) => void) | undefined;
}

export interface Prediction {
  /** Classes on the case's own grid. */
  readonly labelMap: Volume<Uint8Array>;
  /** Millilitres of each region by each opinion, in the order of members and mirrors. */
  readonly opinionsMl: readonly Readonly<Record<string, number>>[];
}

export async function predictCase(
  loaded: LoadedCase,
  { task, members, mirrors = [UPRIGHT], onWindow }: PredictOptions,
): Promise<Prediction> {
  const { image, brain, dims, geometry } = prepareCase(loaded, task);
  const { channels } = members[0].window;
  const opinions = members.flatMap((member) => mirrors.map((mirror) => ({ member, mirror })));
  const finished = (sum: Float32Array): Volume<Uint8Array> =>
    postProcess(
      withinScans(restoreProbabilities(sum, channels, geometry, decisionOf(task)), loaded),
      task.postProcessing,
    );
  const opinionsMl: Record<string, number>[] = [];
  let sum: Float32Array | undefined;
  for (const [i, { member, mirror }] of opinions.entries()) {
    const view = mirrored(image, dims, mirror);
    const tell = (done: number, total: number): void => onWindow?.(i * total + done, opinions.length * total);
    const window = placedWindow(member.window, brain, dims, mirror);
    const seen = await predictVolume(view, dims, task.channels.length, window, member.predict, tell);
    const upright = mirrored(seen, dims, mirror);
    if (opinions.length === 1) {
      const labelMap = finished(upright);
      return { labelMap, opinionsMl: [regionVolumesMl(labelMap, task.regions)] };
    }
    opinionsMl.push(regionVolumesMl(finished(upright), task.regions));
    if (sum === undefined) sum = upright;
    else addMirrored(sum, upright, dims, UPRIGHT);
  }
  return { labelMap: finished(sum ?? new Float32Array(0)), opinionsMl };
}

/** The same plane in the mirrored volume, where x is mirrored. */
function placedWindow(
  { centredBy, ...window }: CaseWindow,
  brain: Uint8Array,
  dims: Triple,
  [x]: Mirror,
): SlidingWindow {
  if (centredBy === undefined) return window;
  const upright = midSagittalX(brain, dims);
  const midlineX = x ? dims[0] - 1 - upright : upright;
  const [width, height, depth] = window.patch;
  return { ...window, patch: [widthAround(midlineX, dims[0], width, centredBy), height, depth], midlineX };
}

/** Background wherever every scan is zero, outside the brain. Changes the map that it is given. */
function withinScans(labelMap: Volume<Uint8Array>, { channels }: LoadedCase): Volume<Uint8Array> {
  for (let i = 0; i < labelMap.data.length; i++) {
    if (labelMap.data[i] !== 0 && channels.every(({ data }) => data[i] === 0)) labelMap.data[i] = 0;
  }
  return labelMap;
}

const CUBIC_MM_PER_ML = 1000;

/** Millilitres of each region, by the voxels that are in it. */
export function regionVolumesMl(
  { data, affineVoxelToRas }: Volume<Uint8Array>,
  regions: Readonly<Record<string, readonly number[]>>,
): Record<string, number> {
  const counts = new Float64Array(256);
  for (const label of data) counts[label]++;
  const voxelMl = spacingMmOf(affineVoxelToRas).reduce((product, side) => product * side, 1) / CUBIC_MM_PER_ML;
  return Object.fromEntries(
    Object.entries(regions).map(([name, classes]) => [name, voxelMl * classes.reduce((sum, k) => sum + counts[k], 0)]),
  );
}
