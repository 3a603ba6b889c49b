/** The figures beside the means of a federation's models, as rows of a table with what must be said under it. */
import { type CaseFigures, worstTenthInWords } from "../segmentation/index.ts";
import type { FederationResult } from "./result.ts";

/** Models of single sites that a table shows at most. */
export const MODELS_ALONE = 8;

export interface BesideMeans {
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
  /** One sentence each. */
  readonly notes: readonly string[];
}

/** @param which the federated model and that of pooled data, or those of single sites. */
export function besideMeans(result: FederationResult, which: "main models" | "sites alone"): BesideMeans {
  const { federated, pooled, alone, worstSite } = result;
  const main: [string, CaseFigures][] = [
    ["federated", federated.spread],
    ...(pooled === null ? [] : [["pooled data", pooled.spread] satisfies [string, CaseFigures]]),
  ];
  const single = (alone?.bySite ?? [])
    .slice(0, MODELS_ALONE)
    .map(({ id, spread }): [string, CaseFigures] => [`${id} alone`, spread]);
  const models = which === "main models" ? main : single;
  const rows = models.flatMap(([model, spread]) =>
    (["dice", "hd95"] as const).flatMap((figure) =>
      Object.entries(spread[figure]).map(([region, { mean, interval, worstTenth, cases }]) => {
        const say = (value: number | null): string => (value === null ? "–" : value.toFixed(figure === "dice" ? 3 : 1));
        const worst = model === "federated" ? (worstSite[figure][region] ?? null) : null;
        return [
          model,
          `${figure === "dice" ? "Dice" : "HD95"} ${region}`,
          say(mean),
          interval === null ? "–" : interval.map(say).join(" to "),
          say(worstTenth),
          worst === null ? "–" : `${worst.id} ${say(worst.mean)}`,
          String(cases),
        ];
      }),
    ),
  );
  const head = ["Model", "Figure", "Mean", "95 % interval", "Worst tenth", "Worst site", "Cases"];
  return { head, rows, notes: notesOn(result) };
}

function notesOn({ federated, sites }: FederationResult): string[] {
  const judged = sites.filter(({ dice }) => dice !== null).length;
  const site =
    judged < 2
      ? "No site is called the worst: fewer than two have figures of their own."
      : "Worst site: the worst mean among the sites, each over its own validation cases.";
  return [worstTenthInWords(federated.spread.dice), site];
}
