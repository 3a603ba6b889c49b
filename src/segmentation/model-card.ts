/**
 * A model's card: what its folder says about it, for programs in `model.json` and in the same words for people in
 * `card.md` (after Mitchell et al. 2019, "Model Cards for Model Reporting"). Of patients it holds counts alone.
 *
 * Invariant: nothing is claimed that was not measured or declared. Figures are null where nothing was measured, an
 * interval is null where cases come of fewer than two patients or a site tells nothing that it follows from, and both
 * are said in words.
 */
import { z } from "zod";
import { type PrivacySpent, plannedPrivacy, plannedSitePrivacy } from "../privacy/index.ts";
import { describePostProcessing, type Study } from "../study/index.ts";
import {
  figuresOfCases,
  type ScoredCase,
  samplesOf,
  type WorstSites,
  worstSites,
  worstTenthInWords,
} from "./case-figures.ts";
import { failureModesOf } from "./failure-modes.ts";

const figureSchema = z.strictObject({
  /** Over the cases that define it; null without any. */
  mean: z.number().nullable(),
  /** 95 %, by `intervalsBy`. */
  interval: z.tuple([z.number(), z.number()]).readonly().nullable(),
  /** Mean of the worst tenth of the cases; null where single cases are not known, or are a site's own. */
  worstTenth: z.number().nullable(),
  /** Cases that define it. */
  cases: z.number().int(),
});

const RESAMPLING = "resampling patients";
const STUDENT = "Student's t over patients";

const spentSchema = z.strictObject({ epsilon: z.number(), delta: z.number() });

const figuresSchema = z.strictObject({
  cases: z.number().int(),
  intervalsBy: z.enum([RESAMPLING, STUDENT]),
  /** By region. */
  dice: z.record(z.string(), figureSchema),
  /** By region, in mm. */
  hd95: z.record(z.string(), figureSchema),
  /** Mean of the regions' mean Dice. */
  meanDice: z.number().nullable(),
  /** By region, cases in which the region is there and was missed altogether (Dice 0); null where not known. */
  missed: z.record(z.string(), z.number().int()).nullable(),
});

const worstByRegionSchema = z.record(z.string(), z.strictObject({ id: z.string(), mean: z.number() }).nullable());

export const cardSchema = z.strictObject({
  intendedUse: z.string(),
  /** Counts only. */
  sites: z.array(
    z.strictObject({
      id: z.string(),
      training: z.number().int(),
      validation: z.number().int(),
      figures: figuresSchema.nullable(),
    }),
  ),
  training: z.strictObject({
    /** Rounds of the study, and the one whose model this is. */
    rounds: z.number().int(),
    round: z.number().int().nullable(),
    gradientSteps: z.number().int().nullable(),
  }),
  algorithm: z.string(),
  /** Whose running statistics the norms use, where sites keep their own. */
  normStatistics: z.string().optional(),
  privacy: z.strictObject({
    secureAggregation: z.boolean(),
    /** What all planned rounds spend on each patient and on each site; null where no such noise was added. */
    differentialPrivacy: z.strictObject({ patientLevel: spentSchema.nullable(), siteLevel: spentSchema.nullable() }),
    statement: z.string(),
  }),
  evaluation: z.strictObject({ on: z.enum(["heldOut", "validation", "nothing"]), figures: figuresSchema.nullable() }),
  worstSite: z
    .strictObject({
      id: z.string(),
      meanDice: z.number(),
      /** By region; null where fewer than two sites have the figure. */
      dice: worstByRegionSchema,
      /** By region, in mm. */
      hd95: worstByRegionSchema,
    })
    .nullable(),
  failureModes: z.array(z.string()),
  lineage: z.strictObject({
    kind: z.enum(["federation", "one institution"]),
    studyHash: z.string().nullable(),
    which: z.string(),
    /** The model that training started from. */
    parent: z.strictObject({ name: z.string(), modelSha256: z.string() }).nullable(),
  }),
  licence: z.string().nullable(),
});

export type ModelCard = z.infer<typeof cardSchema>;
export type CardFigures = z.infer<typeof figuresSchema>;

/** What is known of a model beside its study. */
export interface CardFacts {
  readonly sites: ModelCard["sites"];
  readonly round: number | null;
  readonly gradientSteps: number | null;
  /** Of a site's own model, where the study leaves running statistics at the sites. */
  readonly hasSiteStatistics?: boolean;
  readonly evaluation: ModelCard["evaluation"];
  readonly lineage: ModelCard["lineage"];
}

/** Figures with intervals from single cases; null without a case. */
export function cardFigures(cases: readonly ScoredCase[], regions: readonly string[]): CardFigures | null {
  if (cases.length === 0) return null;
  const { dice, hd95 } = figuresOfCases(cases, regions);
  return {
    cases: cases.length,
    intervalsBy: RESAMPLING,
    dice,
    hd95,
    meanDice: meanOfMeans(dice),
    missed: Object.fromEntries(
      regions.map((region) => [region, samplesOf(cases, region, "dice").filter(({ value }) => value === 0).length]),
    ),
  };
}

/** Without the worst tenth: of a site's own cases it would often be the figure of one patient. */
export function siteCardFigures(cases: readonly ScoredCase[], regions: readonly string[]): CardFigures | null {
  const figures = cardFigures(cases, regions);
  if (figures === null) return null;
  const without = (of: CardFigures["dice"]): CardFigures["dice"] =>
    Object.fromEntries(Object.entries(of).map(([region, figure]) => [region, { ...figure, worstTenth: null }]));
  return { ...figures, dice: without(figures.dice), hd95: without(figures.hd95) };
}

type Interval = readonly [number, number] | null;

/** Means without single cases, as sites send them, with the intervals that follow from what else they send. */
export interface MeanFigures {
  readonly cases: number;
  readonly regions: Readonly<
    Record<
      string,
      {
        readonly dice: number | null;
        readonly hd95: number | null;
        readonly diceInterval: Interval;
        readonly hd95Interval: Interval;
      }
    >
  >;
}

/** Figures from means alone; how many cases define each is not told, so all are counted. */
export function cardFiguresOfMeans({ cases, regions }: MeanFigures): CardFigures {
  const of = (figure: "dice" | "hd95"): CardFigures["dice"] =>
    Object.fromEntries(
      Object.entries(regions).map(([region, means]) => {
        const interval = means[`${figure}Interval`];
        return [region, { mean: means[figure], interval, worstTenth: null, cases: means[figure] === null ? 0 : cases }];
      }),
    );
  const dice = of("dice");
  return { cases, intervalsBy: STUDENT, dice, hd95: of("hd95"), meanDice: meanOfMeans(dice), missed: null };
}

function meanOfMeans(figures: CardFigures["dice"]): number | null {
  const means = Object.values(figures).flatMap(({ mean }) => (mean === null ? [] : [mean]));
  return means.length === 0 ? null : means.reduce((a, b) => a + b, 0) / means.length;
}

const INTENDED_USE =
  "For research. Not a medical device: not for diagnosis, treatment, or any decision about a patient.";

export function makeCard(study: Study, facts: CardFacts): ModelCard {
  const { sites, round, gradientSteps, evaluation, lineage } = facts;
  const normStatistics = normStatisticsOf(study, facts);
  return {
    intendedUse: INTENDED_USE,
    sites,
    training: { rounds: study.rounds.count, round, gradientSteps },
    algorithm: algorithmOf(study, lineage.kind),
    ...(normStatistics !== undefined && { normStatistics }),
    privacy: privacyOf(study, lineage),
    evaluation,
    worstSite: worstOf(sites, Object.keys(study.task.regions)),
    failureModes: failureModesOf(study, facts),
    lineage,
    licence: study.licence ?? null,
  };
}

function algorithmOf({ aggregation, training }: Study, kind: ModelCard["lineage"]["kind"]): string {
  const { optimiser } = training;
  const local = `${optimiser.kind}, learning rate ${optimiser.learningRate} (${training.schedule.kind}), batch ${training.batch}`;
  if (kind === "one institution") return `${local}; one institution, nothing was exchanged`;
  const weights = aggregation.weightBy === "cases" ? "weighted by training cases" : "every site alike";
  return `${local}; ${aggregation.algorithm} ${weights}, updates as integers of ${aggregation.precisionBits} bits`;
}

function normStatisticsOf({ training }: Study, { lineage, hasSiteStatistics }: CardFacts): string | undefined {
  if (training.runningStatistics !== "local" || lineage.kind !== "federation") return undefined;
  return hasSiteStatistics
    ? "one site's own running means and variances; all else is the federation's. On another hospital's scans it is another model."
    : "the running means and variances that the study began with. Each site kept its own, which are not in these files and " +
        "with which figures of its cases were measured. Elsewhere this model is another: train it on cases of the " +
        "hospital first (`consilium train --from`), and measure it before any use.";
}

function privacyOf(study: Study, { kind, parent }: ModelCard["lineage"]): ModelCard["privacy"] {
  const secureAggregation = kind === "federation" && study.privacy.secureAggregation !== undefined;
  const travelled =
    kind === "one institution"
      ? "Trained where the scans are; nothing travelled."
      : secureAggregation
        ? "Scans stayed at their sites; updates travelled masked, and the coordinator saw their sum alone."
        : "Scans stayed at their sites; the coordinator saw each site's update.";
  const patientLevel = spentOf(plannedPrivacy(study));
  const siteLevel = kind === "federation" ? spentOf(plannedSitePrivacy(study)) : null;
  const bounds = [
    ...(patientLevel === null ? [] : [`${inWords(patientLevel)} for each patient, adding or removing one`]),
    ...(siteLevel === null ? [] : [`${inWords(siteLevel)} for each site, its updates present or zero`]),
  ];
  const noise =
    bounds.length === 0
      ? "No noise was added: traces of single patients are not bounded."
      : `Noise was added: over all ${study.rounds.count} rounds that were planned, ${bounds.join("; ")}. Figures and counts are outside of it.`;
  const before = parent === null ? "" : " What the model it started from says of patients is not counted.";
  return {
    secureAggregation,
    differentialPrivacy: { patientLevel, siteLevel },
    statement: `${travelled} ${noise}${before}`,
  };
}

function spentOf(spent: PrivacySpent | undefined): { epsilon: number; delta: number } | null {
  return spent === undefined ? null : { epsilon: spent.epsilon, delta: spent.delta };
}

/** Epsilon rounded up. */
function inWords({ epsilon, delta }: { epsilon: number; delta: number }): string {
  return `epsilon at most ${(Math.ceil(epsilon * 100) / 100).toFixed(2)} at delta ${delta}`;
}

function worstOf(sites: ModelCard["sites"], regions: readonly string[]): ModelCard["worstSite"] {
  const judged = sites.flatMap(({ id, figures }) =>
    figures === null || figures.meanDice === null ? [] : [{ id, meanDice: figures.meanDice }],
  );
  if (judged.length < 2) return null;
  const means = (figures: CardFigures["dice"] | undefined) =>
    figures === undefined ? null : Object.fromEntries(Object.entries(figures).map(([key, { mean }]) => [key, mean]));
  return {
    ...judged.reduce((worst, site) => (site.meanDice < worst.meanDice ? site : worst)),
    ...worstSites(
      sites.map(({ id, figures }) => ({ id, dice: means(figures?.dice), hd95: means(figures?.hd95) })),
      regions,
    ),
  };
}

/** The card as Markdown. */
export function renderCard(
  name: string,
  modelSha256: string,
  study: Study,
  parameters: number,
  card: ModelCard,
): string {
  const { task, network, training } = study;
  const { evaluation, sites, worstSite, lineage, privacy } = card;
  const regions = Object.keys(task.regions);
  const facts: [string, string][] = [
    ["identity (SHA-256 of weights.safetensors)", `\`${modelSha256}\``],
    [
      "input",
      `${task.channels.join(", ")}, skull-stripped and registered, z-scored over non-zero voxels, ${task.spacingMm} mm`,
    ],
    ["may be missing", task.mayMiss?.join(", ") ?? "none of them"],
    ["output", task.labels.map((label, k) => `${k} ${label}`).join(", ")],
    [
      "regions",
      regions.map((region) => `${region} = ${task.regions[region].map((k) => task.labels[k]).join(" + ")}`).join("; "),
    ],
    ["rules for label maps", rulesOf(task)],
    [
      "network",
      `${network.kind}, ${parameters.toLocaleString("en")} parameters, patches of ${training.patch.join(" x ")} voxels`,
    ],
    ["algorithm", card.algorithm],
    ...(card.normStatistics === undefined ? [] : [["norms use", card.normStatistics] as [string, string]]),
    [
      "training",
      `${card.training.rounds} rounds, ${card.training.gradientSteps ?? "unknown"} gradient steps, seed ${training.seed}, ${training.threads} thread(s)`,
    ],
    ["privacy", privacy.statement],
    ["licence", card.licence ?? "none declared: ask whoever trained it"],
  ];
  return `# ${name}

${card.intendedUse}

${markdownTable(["", ""], facts)}

## Figures

${evaluation.figures === null ? "It was measured on no case." : `${figuresTable(regions, [[measuredOn(evaluation), evaluation.figures]])}\n\n${worstTable(regions, evaluation.figures, worstSite)}`}

## Data by site (counts only)

${markdownTable(
  ["site", "training cases", "validation cases"],
  sites.map(({ id, training: own, validation }) => [id, String(own), String(validation)]),
)}

## Figures by site

${siteFigures(regions, sites)}

${worstSite === null ? "Fewer than two sites have figures of their own, so none is called the worst." : `Worst site: ${worstSite.id}, mean Dice ${worstSite.meanDice.toFixed(3)}.`}

${intervalsInWords([evaluation.figures, ...sites.map(({ figures }) => figures)])}

## Known failure modes

${card.failureModes.map((mode) => `- ${mode}`).join("\n")}

## Lineage

${lineageText(lineage)}
`;
}

function rulesOf(task: Study["task"]): string {
  const rules = describePostProcessing(task);
  return rules.length === 0 ? "none" : rules.join("; ");
}

function measuredOn({ on, figures }: ModelCard["evaluation"]): string {
  return `${figures?.cases ?? 0} ${on === "heldOut" ? "held-out" : "validation"} case(s)`;
}

function intervalsInWords(figures: readonly (CardFigures | null)[]): string {
  const ways = new Set(figures.flatMap((each) => (each === null ? [] : [each.intervalsBy])));
  const how = ways.size === 0 ? "" : ` by ${[...ways].join(" or ")}`;
  return `Figures are means; in brackets the 95 % interval${how}, where two patients or more define the figure.`;
}

/** The worst parts of what the means sum up. */
function worstTable(regions: readonly string[], figures: CardFigures, worst: WorstSites | null): string {
  const rows = (["dice", "hd95"] as const).flatMap((figure) =>
    regions.map((region) => {
      const digits = figure === "dice" ? 3 : 1;
      const [all, site] = [figures[figure][region], worst?.[figure][region] ?? null];
      return [
        figure === "dice" ? `Dice ${region}` : `HD95 ${region}, mm`,
        all.mean?.toFixed(digits) ?? "–",
        all.worstTenth?.toFixed(digits) ?? "–",
        site === null ? "–" : `${site.id} ${site.mean.toFixed(digits)}`,
      ];
    }),
  );
  return `${markdownTable(["", "mean", "worst tenth", "worst site"], rows)}\n\n${worstTenthInWords(figures.dice)} The worst site is that with the worst mean over its own validation cases.`;
}

function siteFigures(regions: readonly string[], sites: ModelCard["sites"]): string {
  const judged = sites.flatMap(({ id, figures }) => (figures === null ? [] : [[id, figures] as const]));
  return judged.length === 0 ? "No site has figures of its own." : figuresTable(regions, judged);
}

function figuresTable(regions: readonly string[], rows: readonly (readonly [string, CardFigures])[]): string {
  const cell = ({ mean, interval }: CardFigures["dice"][string], digits: number): string =>
    mean === null
      ? "–"
      : `${mean.toFixed(digits)}${interval === null ? "" : ` (${interval.map((end) => end.toFixed(digits)).join(" to ")})`}`;
  return markdownTable(
    ["", ...regions.map((region) => `Dice ${region}`), "mean Dice", ...regions.map((region) => `HD95 ${region}, mm`)],
    rows.map(([name, { dice, hd95, meanDice }]) => [
      name,
      ...regions.map((region) => cell(dice[region], 3)),
      meanDice?.toFixed(3) ?? "–",
      ...regions.map((region) => cell(hd95[region], 1)),
    ]),
  );
}

function lineageText({ kind, studyHash, which, parent }: ModelCard["lineage"]): string {
  const study = studyHash === null ? "" : `Study \`${studyHash}\`, `;
  const from = parent === null ? "" : `\n\nFine-tuned from "${parent.name}", \`${parent.modelSha256}\`.`;
  return `${kind === "federation" ? "A federation" : "One institution"}: ${study}${which}.${from}`;
}

function markdownTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}
