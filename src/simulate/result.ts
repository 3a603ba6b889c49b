/** What a simulated or demonstrated federation ends with: the document of `--json`, and the material of the report. */
import type { MatrixStatus } from "../coordinator/index.ts";
import type { PrivacySpent } from "../privacy/index.ts";
import type { CaseFigures, RegionMeans, ScoredCase, ScoreSummary, WorstSites } from "../segmentation/index.ts";
import { figuresOfCases, summariseScores } from "../segmentation/index.ts";

export interface ModelFigures {
  readonly dice: RegionMeans;
  /** Millimetres. */
  readonly hd95: RegionMeans;
  /** Cases without a Dice, by region; only regions that have any. */
  readonly undefined: Readonly<Record<string, number>>;
  /** What stands beside the means. */
  readonly spread: CaseFigures;
  readonly modelSha256: string;
}

export interface SiteFigures {
  readonly id: string;
  readonly cases: { readonly train: number; readonly validation: number };
  /** The federated model on the site's own validation cases; null where these are too few. */
  readonly dice: RegionMeans | null;
  readonly hd95: RegionMeans | null;
}

export interface AloneFigures {
  readonly mean: { readonly dice: RegionMeans; readonly hd95: RegionMeans };
  readonly bySite: readonly ({ readonly id: string } & Pick<ModelFigures, "dice" | "hd95" | "spread">)[];
}

export interface LearningRates {
  readonly federated: number;
  /** Null without a pooled baseline. */
  readonly pooled: number | null;
  /** Mean Dice on the sites' validation cases, by which each chose. */
  readonly tried: readonly {
    readonly rate: number;
    readonly federated: number | null;
    readonly pooled: number | null;
  }[];
}

export interface FederationResult {
  readonly sites: readonly SiteFigures[];
  readonly evaluatedOn: { readonly kind: "heldOut" | "validation"; readonly cases: number };
  readonly federated: ModelFigures;
  /** The federated model at the sites' own validation cases. */
  readonly worstSite: WorstSites;
  readonly pooled: ModelFigures | null;
  readonly alone: AloneFigures | null;
  /** Federated mean Dice over pooled; null without a pooled baseline. */
  readonly ratio: number | null;
  /** Where several were tried. */
  readonly learningRates: LearningRates | null;
  /** What the study amounts to for each patient of each site; null where it adds no noise. */
  readonly patientLevel: PrivacySpent | null;
  /** Cross-site matrices that the study asked for, in the order of their rounds. */
  readonly matrices: readonly MatrixStatus[];
  readonly rounds: number;
  /** Of all sites together. */
  readonly gradientSteps: number;
  readonly seconds: number;
  /** Largest resident set of any process that took part. */
  readonly peakRssBytes: number;
}

export function modelFigures(
  cases: readonly ScoredCase[],
  regions: readonly string[],
  modelSha256: string,
): ModelFigures {
  const summary = summariseScores(
    cases.map((each) => each.regions),
    regions,
  );
  const { dice, hd95 } = summary;
  return { dice, hd95, undefined: undefinedOf(summary), spread: figuresOfCases(cases, regions), modelSha256 };
}

function undefinedOf(summary: ScoreSummary): Record<string, number> {
  return Object.fromEntries(Object.entries(summary.undefined).filter(([, count]) => count > 0));
}

/** Mean over sites of each region's mean, over the sites that have one. */
export function meanOfMeans(means: readonly RegionMeans[]): RegionMeans {
  const keys = Object.keys(means[0] ?? {});
  return Object.fromEntries(
    keys.map((key) => {
      const values = means.flatMap((mean) => (mean[key] === null ? [] : [mean[key]]));
      return [key, values.length === 0 ? null : values.reduce((a, b) => a + b, 0) / values.length];
    }),
  );
}

export function ratioOf(federated: RegionMeans, pooled: RegionMeans | undefined): number | null {
  const [ours, theirs] = [federated.mean, pooled?.mean];
  return ours === null || theirs === null || theirs === undefined || theirs === 0 ? null : ours / theirs;
}
