/**
 * The few figures by which a case is compared with the others of its dataset: voxel size, how much is not background,
 * how bright each scan is, how large the tumour's regions are. They stay with the hospital.
 *
 * Volumes count voxels times the voxel's volume. Brightness is told by percentiles of the voxels that are not zero, out
 * of at most SAMPLED of them, evenly spaced in the file. Figures have four digits, so that equal ones are equal.
 */
import { MODALITIES, type Modality } from "../study/index.ts";
import { spacingMmOf, type Volume } from "./volume.ts";

const SAMPLED = 100_000;

/** Under the names that people read, in the order in which they are told. "Brain" is what is not zero in some scan. */
export const MEASURES = [
  "finest voxel side, mm",
  "coarsest voxel side, mm",
  "brain, ml",
  ...MODALITIES.flatMap((modality) => [`${modality}, median`, `${modality}, 99th percentile`] as const),
  "WT, ml",
  "TC, ml",
  "ET, ml",
] as const;
export type Measure = (typeof MEASURES)[number];

/** Those that the case has: a scan or a label map may be missing. */
export type CaseMeasures = Readonly<Partial<Record<Measure, number>>>;

/** A case in memory (`load-case.ts`). */
interface Measurable {
  readonly modalities: readonly Modality[];
  /** One for each modality, all on one grid. */
  readonly channels: readonly Volume<Float32Array>[];
  /** Classes 0 to 3. */
  readonly labelMap?: Volume<Uint8Array>;
}

export function measureCase({ modalities, channels, labelMap }: Measurable): CaseMeasures {
  if (channels.length === 0) return {};
  const spacingMm = spacingMmOf(channels[0].affineVoxelToRas);
  const voxelMl = spacingMm.reduce((product, mm) => product * mm, 1) / 1000;
  const measures: Partial<Record<Measure, number>> = {
    "finest voxel side, mm": Math.min(...spacingMm),
    "coarsest voxel side, mm": Math.max(...spacingMm),
    "brain, ml": foregroundVoxels(channels) * voxelMl,
  };
  for (const [i, modality] of modalities.entries()) {
    const sorted = sampleOf(channels[i]);
    measures[`${modality}, median`] = percentile(sorted, 0.5);
    measures[`${modality}, 99th percentile`] = percentile(sorted, 0.99);
  }
  if (labelMap !== undefined) {
    const counts = [0, 0, 0, 0];
    for (const label of labelMap.data) counts[label]++;
    const [, necrotic, oedema, enhancing] = counts;
    measures["WT, ml"] = (necrotic + oedema + enhancing) * voxelMl;
    measures["TC, ml"] = (necrotic + enhancing) * voxelMl;
    measures["ET, ml"] = enhancing * voxelMl;
  }
  const rounded = MEASURES.flatMap((name) => {
    const value = measures[name];
    return value === undefined ? [] : [[name, Number(value.toPrecision(4))] as const];
  });
  return Object.fromEntries(rounded);
}

/** Voxels that are not zero in some scan. */
function foregroundVoxels(channels: Measurable["channels"]): number {
  const { length } = channels[0].data;
  let voxels = 0;
  for (let i = 0; i < length; i++) if (channels.some(({ data }) => data[i] !== 0)) voxels++;
  return voxels;
}

function sampleOf({ data }: Volume<Float32Array>): Float32Array {
  const filled = data.filter((value) => value !== 0);
  const step = Math.max(1, filled.length / SAMPLED);
  const count = Math.floor(filled.length / step);
  return Float32Array.from({ length: count }, (_, i) => filled[Math.floor(i * step)]).sort();
}

/** Between two values by their distance, as NumPy's "linear". */
function percentile(sorted: Float32Array, share: number): number {
  const at = share * (sorted.length - 1);
  const below = Math.floor(at);
  const above = Math.min(below + 1, sorted.length - 1);
  return sorted[below] + (at - below) * (sorted[above] - sorted[below]);
}
