/** What all sites of a round did together: from their own words, or, with `metrics: summed`, from the masked sum. */
import type { RoundStatus, SummedStatus } from "./status.ts";

/** Of a round whose sites tell their figures or do not; the mean loss is null where a site keeps its own. */
export function trainedIn({ sites, summed }: Pick<RoundStatus, "sites" | "summed">): SummedStatus {
  if (summed !== null) return summed;
  const total = (pick: (site: RoundStatus["sites"][number]) => number): number =>
    sites.reduce((sum, site) => sum + pick(site), 0);
  const gradientSteps = total((site) => site.gradientSteps);
  const isTold = gradientSteps > 0 && sites.every(({ meanLoss }) => meanLoss !== null);
  return {
    sites: sites.length,
    trainingCases: total(({ trainingCases }) => trainingCases),
    gradientSteps,
    meanLoss: isTold ? total((site) => (site.meanLoss ?? 0) * site.gradientSteps) / gradientSteps : null,
    clippedCoordinates: total(({ clippedCoordinates }) => clippedCoordinates),
  };
}
