/**
 * Two models that studies ended with, beside each other by site. A coordinator holds sums over a site's cases and no
 * single case, so the interval is over sites, each counted once: by Student's t over the paired changes. Intervals over
 * cases are made where the cases are (`consilium compare`).
 */
import { studentHalfWidth } from "../aggregation/index.ts";
import { ConsiliumError, sumBy } from "../base/index.ts";
import { studyNamed } from "./state-of-study.ts";
import type { ModelEntry } from "./study-models.ts";

const LEVEL = 0.95;
/** Fewer allow no interval worth the name. */
const SITES_FOR_AN_INTERVAL = 3;

export interface ModelComparison {
  readonly before: ComparedModel;
  readonly after: ComparedModel;
  /** The region whose Dice is compared; null for the mean of the regions. */
  readonly region: string | null;
  /** Every site of either study, by name. */
  readonly sites: readonly ComparedSite[];
  /** How many sites have figures of both. */
  readonly paired: number;
  /** Over these sites; null for fewer than three. */
  readonly change: { readonly mean: number; readonly interval: readonly [number, number] } | null;
}

interface ComparedModel {
  readonly study: string;
  readonly studyHash: string;
  readonly round: number;
}

export interface ComparedSite {
  readonly id: string;
  /** Mean Dice over the site's validation cases, 0 to 1; null where the site tells none. */
  readonly before: number | null;
  readonly after: number | null;
}

export interface WhichModels {
  /** A study by name, or by its hash's first 6 digits and more; the last but one where it is left out. */
  readonly before?: string | undefined;
  /** The last where it is left out. */
  readonly after?: string | undefined;
  readonly region?: string | undefined;
}

/**
 * @param entries of `modelsOf`, latest first
 * @throws ConsiliumError `study-unknown` where there are no two models, no such study or no such region
 */
export function compareStudyModels(entries: readonly ModelEntry[], which: WhichModels): ModelComparison {
  const models = entries.filter(({ best }) => best !== null);
  if (models.length < 2) throw tooFew(models.length);
  const chosen = (wanted: string | undefined, otherwise: number): ModelEntry =>
    wanted === undefined ? models[otherwise] : studyNamed(models, wanted);
  const [before, after] = [chosen(which.before, 1), chosen(which.after, 0)];
  const region = which.region ?? null;
  const figureOf = ({ sites }: ModelEntry, id: string): number | null => {
    const figures = sites.find((site) => site.id === id)?.best;
    return (region === null ? figures?.mean : figures?.regions[region]?.dice) ?? null;
  };
  if (region !== null) for (const model of [before, after]) checkRegion(model, region);
  const ids = [...new Set([before, after].flatMap(({ sites }) => sites.map(({ id }) => id)))].sort();
  const sites = ids.map((id) => ({ id, before: figureOf(before, id), after: figureOf(after, id) }));
  const changes = sites.flatMap((site) =>
    site.before === null || site.after === null ? [] : [site.after - site.before],
  );
  return {
    before: compared(before),
    after: compared(after),
    region,
    sites,
    paired: changes.length,
    change: changes.length < SITES_FOR_AN_INTERVAL ? null : meanWithInterval(changes),
  };
}

/** @param values at least two */
function meanWithInterval(values: readonly number[]): NonNullable<ModelComparison["change"]> {
  const count = values.length;
  const mean = sumBy(values, (value) => value) / count;
  const variance = sumBy(values, (value) => (value - mean) ** 2) / (count - 1);
  const half = studentHalfWidth(LEVEL, count - 1) * Math.sqrt(variance / count);
  return { mean, interval: [mean - half, mean + half] };
}

function compared({ study, studyHash, best }: ModelEntry): ComparedModel {
  return { study, studyHash, round: best?.round ?? 0 };
}

function checkRegion({ study, figures }: ModelEntry, region: string): void {
  const known = Object.keys(figures?.regions ?? {});
  if (known.includes(region)) return;
  throw new ConsiliumError("study-unknown", {
    subject: `region ${JSON.stringify(region.slice(0, 40))} of "${study}"`,
    expected: known.length === 0 ? "a model with figures" : `one of ${known.join(", ")}`,
    actual: "another",
    hint: "Leave it out for the mean of the regions.",
  });
}

function tooFew(count: number): ConsiliumError {
  return new ConsiliumError("study-unknown", {
    subject: "models to compare",
    expected: "two studies that ended with a model",
    actual: count === 0 ? "none" : "one",
    hint: "`consilium status --home HOME` shows which studies there were.",
  });
}
