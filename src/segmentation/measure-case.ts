/**
 * Everything that a case's prediction is measured by, region by region: the scores of `metrics.ts`, normalised
 * surface distance, volumes, and the lesion-wise scores of BraTS.
 *
 * Definitions, oracles and the rules for empty regions stand in docs/METRICS.md. A figure that is 0/0 is null; the
 * lesion-wise scores are numbers always, since their definition says what an empty region counts as.
 *
 * The pair of maps is counted once, and each region is cut out once: surfaces are taken there for the surface
 * distance and again for lesions only where these are not the region itself.
 */
import type { Triple } from "../imaging/index.ts";
import { type Box, checkGrid, cropRegion, membership, regionBox, tallyPairs } from "./label-tally.ts";
import { boxForLesions, LESION_RULES, type LesionRules, type LesionScores, lesionWiseScores } from "./lesion-wise.ts";
import { type RegionScores, type Regions, scoreRegion } from "./metrics.ts";
import {
  type DistancesByArea,
  normalisedSurfaceDistance,
  robustHausdorffMm,
  surfaceAreasMm2,
  surfaceDistances,
  surfaceOf,
} from "./surface-elements.ts";

export interface VolumesMl {
  /** Of the region in the prediction, millilitres. */
  readonly prediction: number;
  /** Of the region in the reference, millilitres. */
  readonly reference: number;
}

export interface RegionMeasures extends RegionScores {
  /** Share of both surfaces within the tolerance of the other; null where the region is in neither map. */
  readonly nsd: number | null;
  readonly volumeMl: VolumesMl;
  readonly lesionWise: LesionScores;
}

export interface MeasureOptions {
  /** Of the normalised surface distance. */
  readonly toleranceMm: number;
  readonly lesionRules: LesionRules;
}

export const USUAL_MEASURES: MeasureOptions = { toleranceMm: 1, lesionRules: LESION_RULES.glioma };

interface Pair {
  readonly prediction: Uint8Array;
  readonly reference: Uint8Array;
  readonly dims: Triple;
  readonly spacingMm: Triple;
}

/**
 * @param prediction, reference labels, x fastest, length dims[0] * dims[1] * dims[2].
 * @throws ConsiliumError as `evaluateLabelMaps`.
 */
export function measureLabelMaps(
  prediction: Uint8Array,
  reference: Uint8Array,
  dims: Triple,
  spacingMm: Triple,
  regions: Regions,
  options: MeasureOptions = USUAL_MEASURES,
): Record<string, RegionMeasures> {
  checkGrid(prediction, reference, dims, spacingMm);
  const tally = tallyPairs(prediction, reference, dims);
  const measures: Record<string, RegionMeasures> = {};
  for (const [name, classes] of Object.entries(regions)) {
    const member = membership(classes);
    const box = regionBox(tally.extents, member);
    const scores = scoreRegion(prediction, reference, dims, spacingMm, member, tally);
    const volumeMl = volumesMl(tally.pairs, member, spacingMm);
    const surfaces = measureSurfaces({ prediction, reference, dims, spacingMm }, member, box, volumeMl, options);
    measures[name] = { ...scores, volumeMl, ...surfaces };
  }
  return measures;
}

function volumesMl(pairs: Float64Array, member: Uint8Array, [x, y, z]: Triple): VolumesMl {
  const labels = member.length;
  let predicted = 0;
  let referred = 0;
  for (let i = 0; i < pairs.length; i++) {
    if (member[Math.floor(i / labels)] === 1) predicted += pairs[i];
    if (member[i % labels] === 1) referred += pairs[i];
  }
  const voxelMl = (x * y * z) / 1000;
  return { prediction: predicted * voxelMl, reference: referred * voxelMl };
}

const NOTHING: LesionScores = { dice: 1, hd95: 0, found: 0, missed: 0, falseFindings: 0, leftOut: 0 };

function measureSurfaces(
  pair: Pair,
  member: Uint8Array,
  box: Box | undefined,
  volumeMl: VolumesMl,
  { toleranceMm, lesionRules }: MeasureOptions,
): Pick<RegionMeasures, "nsd" | "lesionWise"> {
  if (box === undefined || volumeMl.prediction + volumeMl.reference === 0) return { nsd: null, lesionWise: NOTHING };
  const distances = volumeMl.prediction > 0 && volumeMl.reference > 0 ? distancesOf(pair, member, box) : undefined;
  const wide = boxForLesions(box, pair.dims, lesionRules);
  const masks = {
    prediction: cropRegion(pair.prediction, pair.dims, member, wide),
    reference: cropRegion(pair.reference, pair.dims, member, wide),
    dims: wide.dims,
    spacingMm: pair.spacingMm,
  };
  return {
    nsd: distances === undefined ? 0 : normalisedSurfaceDistance(distances, toleranceMm),
    lesionWise: lesionWiseScores(masks, lesionRules, distances && robustHausdorffMm(distances, 0.95)),
  };
}

function distancesOf(
  { prediction, reference, dims, spacingMm }: Pair,
  member: Uint8Array,
  box: Box,
): readonly [DistancesByArea, DistancesByArea] {
  const areas = surfaceAreasMm2(spacingMm);
  const [a, b] = [prediction, reference].map((labels) =>
    surfaceOf(cropRegion(labels, dims, member, box, 1), box.dims, areas),
  );
  return surfaceDistances(a, b, spacingMm);
}
