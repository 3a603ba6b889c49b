/** The figures of a finished federation as tables: the federated model beside its references, and what means hide. */
import { besideMeans, type FederationResult } from "../simulate/index.ts";
import { type Cell, countOf, formatDuration, formatFigure, formatTable } from "./format.ts";

export function figuresTable(result: FederationResult): string {
  const { federated, pooled, alone, evaluatedOn, ratio, sites } = result;
  const regions = Object.keys(federated.dice).filter((key) => key !== "mean");
  const row = (name: string, { dice, hd95 }: { dice: Means; hd95: Means }): Cell[] => [
    name,
    ...regions.map((region) => formatFigure(dice[region])),
    formatFigure(dice.mean),
    ...regions.map((region) => formatFigure(hd95[region], 1)),
  ];
  const rows = [row("federated", federated)];
  if (pooled !== null) rows.push(row("pooled data", pooled));
  if (alone !== null) {
    rows.push(row("alone, mean", alone.mean));
    for (const site of alone.bySite) rows.push(row(`${site.id} alone`, site));
  }
  const head = [
    "",
    ...regions.map((region) => `Dice ${region}`),
    "Dice mean",
    ...regions.map((region) => `HD95 ${region}`),
  ];
  const undefinedCases = Object.entries(federated.undefined).map(
    ([region, count]) => `${region} in ${countOf(count, "case")}`,
  );
  const where =
    evaluatedOn.kind === "heldOut"
      ? `${countOf(evaluatedOn.cases, "patient")} whom no site has`
      : `${countOf(evaluatedOn.cases, "validation case")} of the sites`;
  const beside = besideMeans(result, "main models");
  const lines = [
    `Measured on ${where}; HD95 in mm.`,
    "",
    formatTable(head, rows),
    "",
    formatTable(beside.head, beside.rows),
    "",
    ...beside.notes,
    ...(undefinedCases.length > 0 ? [`Left out as undefined: ${undefinedCases.join(", ")}.`] : []),
    ...(ratio === null ? [] : [`Federated over pooled: ${(100 * ratio).toFixed(1)} % of its mean Dice.`]),
    `${countOf(sites.length, "site")}, ${countOf(result.rounds, "round")}, ${result.gradientSteps} gradient steps, ${formatDuration(1000 * result.seconds)}, at most ${Math.round(result.peakRssBytes / 2 ** 20)} MiB in a process.`,
  ];
  return lines.join("\n");
}

type Means = FederationResult["federated"]["dice"];
