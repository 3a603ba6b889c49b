/**
 * Who holds which cases in a simulation: subjects are shuffled by seed and dealt out in the sizes asked for.
 * All time points of a subject stay at one site.
 */
import { ConsiliumError, createRandom } from "../base/index.ts";

export type SiteSizes = "even" | "fets";

/**
 * Sizes of 29 institutions with the shape that was published of the FeTS federation (Pati et al. 2022): 1 to 827
 * cases, a median of 67, the five largest with 36 % of all. With 29 sites that shape means fourteen large sites
 * beside fourteen small ones.
 */
export const FETS_SIZES: readonly number[] = [
  827, 450, 445, 440, 435, 435, 435, 435, 434, 434, 434, 434, 433, 433, 67, 65, 64, 63, 62, 60, 58, 55, 52, 48, 42, 35,
  25, 12, 1,
];

const CASES_PER_FETS_SITE = 2;

/**
 * Subjects by site, in the order of the sites. Sizes come by largest remainder, at least one for each site.
 * @param subjects distinct subject identifiers.
 * @throws ConsiliumError `dataset-too-small` for fewer subjects than the sites need.
 */
export function partitionSubjects(
  subjects: readonly string[],
  sites: number,
  sizes: SiteSizes,
  seed: number,
): string[][] {
  const weights = sizes === "fets" ? FETS_SIZES : Array.from({ length: sites }, () => 1);
  const needed = sizes === "fets" ? CASES_PER_FETS_SITE * FETS_SIZES.length : sites;
  if (weights.length !== sites) {
    throw new ConsiliumError("usage", {
      subject: "--sites with --sizes fets",
      expected: `${FETS_SIZES.length} sites`,
      actual: String(sites),
      hint: `Say --sites ${FETS_SIZES.length}, or --sizes even.`,
    });
  }
  if (subjects.length < needed) {
    throw new ConsiliumError("dataset-too-small", {
      subject: `simulation of ${sites} sites`,
      expected: `at least ${needed} subjects`,
      actual: String(subjects.length),
      hint: "Take more cases (consilium cohort make), or fewer sites.",
    });
  }
  const counts = apportion(subjects.length, weights);
  const shuffled = createRandom(seed, "partition").shuffled([...subjects].sort());
  let next = 0;
  return counts.map((count) => {
    const part = shuffled.slice(next, next + count);
    next += count;
    return part;
  });
}

/** Largest remainder (Hamilton) with at least one for each. */
export function apportion(total: number, weights: readonly number[]): number[] {
  const sum = weights.reduce((a, b) => a + b, 0);
  const exact = weights.map((weight) => (total * weight) / sum);
  const counts = exact.map((share) => Math.max(1, Math.floor(share)));
  const left = (): number => total - counts.reduce((a, b) => a + b, 0);
  const byRemainder = exact
    .map((share, i) => ({ i, over: share - counts[i] }))
    .sort((a, b) => b.over - a.over || a.i - b.i);
  for (let k = 0; left() > 0; k = (k + 1) % byRemainder.length) counts[byRemainder[k].i]++;
  for (let k = byRemainder.length - 1; left() < 0; k = (k - 1 + byRemainder.length) % byRemainder.length) {
    if (counts[byRemainder[k].i] > 1) counts[byRemainder[k].i]--;
  }
  return counts;
}
