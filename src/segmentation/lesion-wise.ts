/**
 * Scores by lesion instead of by region, as the BraTS challenges take them since 2023: one missed small lesion weighs
 * as much as one missed large one.
 *
 * Source: Saluja et al., "BraTS 2023 lesion-wise performance metrics" (github.com/rachitsaluja/BraTS-2023-Metrics);
 * Moawad et al. 2023 (arXiv:2306.00838), section on evaluation. The rules, for one region:
 * 1. The reference is grown (`growSteps`, 18 neighbours a step); voxels of the reference that lie in one component of
 *    the grown reference (26 neighbours) are one lesion, so that scraps beside a lesion are part of it.
 * 2. The prediction's components (26 neighbours) that touch a grown lesion are its finding, all together. One
 *    component may be part of several findings.
 * 3. A lesion of at most `leastMm3` is looked at no further; what touched it is no false finding.
 * 4. Each lesion left has the Dice and the HD95 of its finding; without a finding, 0 and 374 mm. Each component of
 *    the prediction that touches no grown lesion, of whatever size, is a false finding and counts as 0 and 374 mm.
 * 5. The scores are means over lesions left and false findings together; of nothing at all, 1 and 0 mm.
 *
 * HD95 is the area-weighted one of `surface-elements.ts`, and not that of `metrics.ts`: the challenge took it so.
 */
import type { Triple } from "../imaging/index.ts";
import { type Components, connectedComponents, grown, type Runs, runsOf } from "./connected-components.ts";
import type { Box } from "./label-tally.ts";
import { robustHausdorffMm, surfaceAreasMm2, surfaceDistances, surfaceOf } from "./surface-elements.ts";

export interface LesionRules {
  readonly growSteps: number;
  /** Lesions of this volume and less are left out, mm^3. */
  readonly leastMm3: number;
}

/** By challenge: adult glioma (also sub-Saharan Africa and paediatric), meningioma, metastases. */
export const LESION_RULES = {
  glioma: { growSteps: 3, leastMm3: 50 },
  meningioma: { growSteps: 1, leastMm3: 50 },
  metastases: { growSteps: 1, leastMm3: 2 },
} as const satisfies Record<string, LesionRules>;

export type LesionRulesName = keyof typeof LESION_RULES;

/** What a missed lesion and a false finding count as: about the diagonal of 240 x 240 x 155 mm. */
export const MISSED_HD95_MM = 374;

export interface LesionScores {
  /** Mean over lesions and false findings of the Dice of a lesion and its finding; 0 to 1. */
  readonly dice: number;
  /** The same mean of HD95, weighted by area of surface, millimetres. */
  readonly hd95: number;
  /** Lesions of the reference with a finding; small ones not among them. */
  readonly found: number;
  /** Lesions of the reference without a finding; small ones not among them. */
  readonly missed: number;
  /** Components of the prediction that touch no lesion. */
  readonly falseFindings: number;
  /** Lesions of the reference that were too small to look at. */
  readonly leftOut: number;
}

/** Masks of both maps within a box, x fastest, as ones. */
export interface MaskPair {
  readonly prediction: Uint8Array;
  readonly reference: Uint8Array;
  readonly dims: Triple;
  readonly spacingMm: Triple;
}

/** The box grown by the steps within which a lesion finds what belongs to it, as far as the grid goes. */
export function boxForLesions({ origin, dims }: Box, grid: Triple, { growSteps }: LesionRules): Box {
  const low = origin.map((at) => Math.max(0, at - growSteps));
  const high = origin.map((at, axis) => Math.min(grid[axis], at + dims[axis] + growSteps));
  return {
    origin: [low[0], low[1], low[2]],
    dims: [high[0] - low[0], high[1] - low[1], high[2] - low[2]],
  };
}

/**
 * @param wholeHd95Mm the area-weighted HD95 of the two masks as they are; where lesion and finding are all there is,
 *   it is theirs. Undefined where either mask is empty.
 */
export function lesionWiseScores(pair: MaskPair, rules: LesionRules, wholeHd95Mm: number | undefined): LesionScores {
  const found = matchLesions(pair, rules);
  const { lesions, findings, falseFindings } = found;
  const voxelMm3 = pair.spacingMm[0] * pair.spacingMm[1] * pair.spacingMm[2];
  const kept = lesions.filter(({ voxels }) => voxels * voxelMm3 > rules.leastMm3);
  let dice = 0;
  let hd95 = MISSED_HD95_MM * falseFindings;
  let hits = 0;
  for (const lesion of kept) {
    if (lesion.components.size === 0) {
      hd95 += MISSED_HD95_MM;
      continue;
    }
    hits++;
    let predicted = 0;
    for (const component of lesion.components) predicted += findings.voxels[component];
    dice += (2 * lesion.shared) / (predicted + lesion.voxels);
    const isAll = lesions.length === 1 && lesion.components.size === findings.components.count;
    hd95 += isAll && wholeHd95Mm !== undefined ? wholeHd95Mm : lesionHd95Mm(lesion, found, pair);
  }
  const counted = kept.length + falseFindings;
  return {
    dice: counted === 0 ? 1 : dice / counted,
    hd95: counted === 0 ? 0 : hd95 / counted,
    found: hits,
    missed: kept.length - hits,
    falseFindings,
    leftOut: lesions.length - kept.length,
  };
}

interface Lesion {
  /** Runs of the reference, as indices into its runs. */
  readonly runs: number[];
  voxels: number;
  /** Voxels that are the prediction's too. */
  shared: number;
  /** The prediction's components that touch the grown lesion. */
  readonly components: Set<number>;
}

interface Matched {
  readonly reference: Runs;
  readonly lesions: readonly Lesion[];
  readonly findings: {
    readonly components: Components;
    /** By component, 1 to count: its voxels, and its runs as indices. */
    readonly voxels: Float64Array;
    readonly runsByComponent: readonly (readonly number[])[];
  };
  readonly falseFindings: number;
}

function matchLesions({ prediction, reference, dims }: MaskPair, { growSteps }: LesionRules): Matched {
  const referenceRuns = runsOf(reference, dims);
  const grownLesions = connectedComponents(grown(referenceRuns, dims, growSteps), dims);
  const lesionAt = painted(grownLesions, prediction.length);
  const lesions = Array.from(
    { length: grownLesions.count },
    (): Lesion => ({ runs: [], voxels: 0, shared: 0, components: new Set() }),
  );
  for (const [run, start] of referenceRuns.starts.entries()) {
    // A run of the reference lies in one grown lesion whole.
    const lesion = lesions[lesionAt[start] - 1];
    lesion.runs.push(run);
    lesion.voxels += referenceRuns.lengths[run];
  }
  const components = connectedComponents(prediction, dims);
  const voxels = new Float64Array(components.count + 1);
  const touching = new Uint8Array(components.count + 1);
  const runsByComponent: number[][] = Array.from({ length: components.count + 1 }, () => []);
  const { starts, lengths } = components.runs;
  for (let run = 0; run < starts.length; run++) {
    const component = components.ofRun[run];
    voxels[component] += lengths[run];
    runsByComponent[component].push(run);
    let before = 0;
    for (let i = starts[run]; i < starts[run] + lengths[run]; i++) {
      const at = lesionAt[i];
      if (at === 0) continue;
      if (at !== before) lesions[at - 1].components.add(component);
      before = at;
      lesions[at - 1].shared += reference[i];
      touching[component] = 1;
    }
  }
  const falseFindings = components.count - touching.reduce((sum, one) => sum + one, 0);
  return { reference: referenceRuns, lesions, findings: { components, voxels, runsByComponent }, falseFindings };
}

/** The number of its component at every voxel, 0 elsewhere. */
function painted({ runs: { starts, lengths }, ofRun }: Components, voxels: number): Int32Array {
  const numbers = new Int32Array(voxels);
  for (let run = 0; run < starts.length; run++) {
    numbers.fill(ofRun[run], starts[run], starts[run] + lengths[run]);
  }
  return numbers;
}

/** Lesion and finding alone, on the smallest box that holds both. */
function lesionHd95Mm(lesion: Lesion, { reference, findings }: Matched, { dims, spacingMm }: MaskPair): number {
  const { runs } = findings.components;
  const findingRuns = [...lesion.components].flatMap((component) => findings.runsByComponent[component]);
  const low: [number, number, number] = [dims[0], dims[1], dims[2]];
  const high: [number, number, number] = [-1, -1, -1];
  for (const [of, list] of [
    [reference, lesion.runs],
    [runs, findingRuns],
  ] as const) {
    for (const run of list) extend(low, high, of, run, dims);
  }
  const box: Triple = [high[0] - low[0] + 1, high[1] - low[1] + 1, high[2] - low[2] + 1];
  const areas = surfaceAreasMm2(spacingMm);
  const surfaces = [
    surfaceOf(drawn(reference, lesion.runs, dims, low, box), box, areas),
    surfaceOf(drawn(runs, findingRuns, dims, low, box), box, areas),
  ];
  return robustHausdorffMm(surfaceDistances(surfaces[0], surfaces[1], spacingMm), 0.95);
}

type Extent = [number, number, number];

function extend(low: Extent, high: Extent, { starts, lengths }: Runs, run: number, [nx, ny]: Triple): void {
  const x = starts[run] % nx;
  const row = Math.floor(starts[run] / nx);
  const first = [x, row % ny, Math.floor(row / ny)];
  const last = [x + lengths[run] - 1, first[1], first[2]];
  for (let axis = 0; axis < 3; axis++) {
    low[axis] = Math.min(low[axis], first[axis]);
    high[axis] = Math.max(high[axis], last[axis]);
  }
}

/** The runs listed as ones in a box of zeros with a layer of zeros around it. */
function drawn(of: Runs, list: readonly number[], [nx, ny]: Triple, origin: Triple, box: Triple): Uint8Array {
  const [px, py] = [box[0] + 2, box[1] + 2];
  const mask = new Uint8Array(px * py * (box[2] + 2));
  for (const run of list) {
    const x = of.starts[run] % nx;
    const row = Math.floor(of.starts[run] / nx);
    const [y, z] = [row % ny, Math.floor(row / ny)];
    const into = ((z - origin[2] + 1) * py + y - origin[1] + 1) * px + x - origin[0] + 1;
    mask.fill(1, into, into + of.lengths[run]);
  }
  return mask;
}
