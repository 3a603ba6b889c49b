/** What all sites of a round did together: from their own words, or, with `metrics: summed`, from the masked sum. */
import { sumBy } from "../base/index.ts";
import type { RoundStatus, SummedStatus } from "./status.ts";

/** Of a round whose sites tell their figures or do not; the mean loss is null where a site keeps its own. */
export function trainedIn({ sites, summed }: Pick<RoundStatus, "sites" | "summed">): SummedStatus {
  if (summed !== null) return summed;
  const gradientSteps = sumBy(sites, (site) => site.gradientSteps);
  const isTold = gradientSteps > 0 && sites.every(({ meanLoss }) => meanLoss !== null);
  return {
    sites: sites.length,
    trainingCases: sumBy(sites, ({ trainingCases }) => trainingCases),
    gradientSteps,
    meanLoss: isTold ? sumBy(sites, (site) => (site.meanLoss ?? 0) * site.gradientSteps) / gradientSteps : null,
    clippedCoordinates: sumBy(sites, ({ clippedCoordinates }) => clippedCoordinates),
  };
}
