/**
 * The report of a run as one HTML file that needs nothing else: the figures first, then how training went, what the
 * model draws on a patient it never saw, and what left each hospital.
 */
import { escapeHtml, scrollingTable } from "../base/index.ts";
import type { StatisticsStatus } from "../coordinator/index.ts";
import type { RegionMeans } from "../segmentation/index.ts";
import type { Study } from "../study/index.ts";
import type { BaselineResult } from "./baselines.ts";
import { besideMeans, MODELS_ALONE } from "./beside-means.ts";
import { type Chart, lineChart } from "./line-chart.ts";
import { matrixSection } from "./report-matrix.ts";
import { statisticsSection } from "./report-statistics.ts";
import type { FederationResult } from "./result.ts";

export interface RoundFigures {
  readonly round: number;
  readonly meanLoss: number | null;
  readonly dice: RegionMeans | null;
  readonly leftOut: readonly { readonly siteId: string; readonly reason: string }[];
}

export interface SiteTraffic {
  readonly siteId: string;
  readonly updates: number;
  readonly updateBytes: number;
  readonly messages: number;
  readonly messageBytes: number;
}

export interface ReportPicture {
  readonly caption: string;
  readonly png: Uint8Array;
}

export interface ReportInput {
  readonly study: Study;
  /** One sentence each. */
  readonly facts: readonly string[];
  readonly result: FederationResult;
  readonly roundFigures: readonly RoundFigures[];
  /** How pooled training went, by round; null without baselines. */
  readonly pooledTraining: Pick<BaselineResult, "losses" | "curve"> | null;
  /** Null where the study asked for none. */
  readonly statistics: StatisticsStatus | null;
  readonly traffic: readonly SiteTraffic[];
  readonly pictures: readonly ReportPicture[];
  readonly commands: readonly string[];
}

const COLOURS = ["#0b6e4f", "#b5541c", "#3b5bb5", "#8a3a8f"] as const;

export function renderReport(input: ReportInput): string {
  const { study, facts, result } = input;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(study.name)}</title>
<style>${STYLE}</style>
</head>
<body>
<main>
<h1>${escapeHtml(study.name)}</h1>
<p class="lead">${facts.map(escapeHtml).join(" ")}</p>
${headline(result)}
<h2>Figures</h2>
${figuresTable(input)}
${spreadTable(input)}
${siteTable(input)}
<h2>Training</h2>
${curves(input)}
${participation(input)}
${matrixSection(result.matrices)}
${pictures(input)}
${statisticsSection(input.statistics, table)}
<h2>What left each hospital</h2>
<p>No scan, no label map, no case name. Every update is one object of numbers; every byte below stands in the site's own log as well.</p>
${trafficTable(input)}
<h2>How to run this again</h2>
<pre>${input.commands.map(escapeHtml).join("\n")}</pre>
<p class="small">Federated model <code>${result.federated.modelSha256}</code>. For research only: not a medical device.</p>
</main>
</body>
</html>
`;
}

function headline({ federated, ratio, sites, evaluatedOn, alone }: FederationResult): string {
  const best = alone === null ? null : Math.max(...alone.bySite.map(({ dice }) => dice.mean ?? 0));
  const tiles = [
    [figure(federated.dice.mean), `mean Dice of the federated model on ${measuredOn(evaluatedOn)}`],
    ...(ratio === null ? [] : [[`${(100 * ratio).toFixed(1)} %`, "of the Dice of a model trained on pooled data"]]),
    ...(best === null ? [] : [[figure(best), "mean Dice of the best hospital alone"]]),
    [String(sites.length), "hospitals, none of which showed a scan to anyone"],
  ];
  return `<div class="tiles">${tiles.map(([value, label]) => `<div class="tile"><b>${value}</b><span>${escapeHtml(label)}</span></div>`).join("")}</div>`;
}

function measuredOn({ kind, cases }: FederationResult["evaluatedOn"]): string {
  const plural = cases === 1 ? "" : "s";
  return kind === "heldOut" ? `${cases} patient${plural} no site has` : `${cases} validation case${plural}`;
}

function figuresTable({ result, study }: ReportInput): string {
  const regions = Object.keys(study.task.regions);
  const { federated, pooled, alone } = result;
  const rows: [string, RegionMeans, RegionMeans][] = [["Federated", federated.dice, federated.hd95]];
  if (pooled !== null) rows.push(["Pooled data (upper reference)", pooled.dice, pooled.hd95]);
  if (alone !== null) {
    rows.push(["One hospital alone, mean", alone.mean.dice, alone.mean.hd95]);
    for (const { id, dice, hd95 } of alone.bySite.slice(0, MODELS_ALONE)) rows.push([`${id} alone`, dice, hd95]);
  }
  const head = [...regions.map((r) => `Dice ${r}`), "Dice mean", ...regions.map((r) => `HD95 ${r}, mm`)];
  const cells = ([name, dice, hd95]: [string, RegionMeans, RegionMeans]): string[] => [
    name,
    ...regions.map((r) => figure(dice[r])),
    figure(dice.mean),
    ...regions.map((r) => figure(hd95[r], 1)),
  ];
  return table(["Model", ...head], rows.map(cells)) + undefinedNote(result);
}

function spreadTable({ result }: ReportInput): string {
  const { head, rows, notes } = besideMeans(result, "main models");
  const alone = besideMeans(result, "sites alone").rows;
  const folded =
    alone.length === 0 ? "" : `<details><summary>One hospital alone</summary>${table(head, alone)}</details>`;
  return `<h3>Beside the means</h3>${table(head, rows)}<p class="small">${notes.map(escapeHtml).join(" ")}</p>${folded}`;
}

function undefinedNote({ federated }: FederationResult): string {
  const parts = Object.entries(federated.undefined).map(([region, count]) => `${region} in ${count}`);
  return parts.length === 0
    ? ""
    : `<p class="small">Undefined and left out of the means (the region is in neither map): ${escapeHtml(parts.join(", "))} case(s).</p>`;
}

function siteTable({ result, study }: ReportInput): string {
  const regions = Object.keys(study.task.regions);
  const rows = result.sites.map(({ id, cases, dice }) => [
    id,
    String(cases.train),
    String(cases.validation),
    ...regions.map((r) => (dice === null ? "too few cases" : figure(dice[r]))),
  ]);
  return `<h3>The federated model at each hospital's own validation cases</h3>${table(["Hospital", "Training cases", "Validation cases", ...regions.map((r) => `Dice ${r}`)], rows)}`;
}

function curves({ roundFigures, pooledTraining, study, result }: ReportInput): string {
  const dice: Chart = {
    title: "Dice after each round",
    xLabel: "round",
    yRange: [0, 1],
    series: Object.keys(study.task.regions).flatMap((region, i) => {
      const points = roundFigures.flatMap(({ round, dice: means }) => {
        const value = means?.[region];
        return value === null || value === undefined ? [] : [[round, value] as const];
      });
      return points.length === 0 ? [] : [{ name: region, colour: COLOURS[i % COLOURS.length], points }];
    }),
  };
  const losses = roundFigures.flatMap(({ round, meanLoss }) => (meanLoss === null ? [] : [[round, meanLoss] as const]));
  const pooled = (pooledTraining?.losses ?? []).flatMap((value, i) =>
    value === null ? [] : [[i + 1, value] as const],
  );
  const top = Math.max(1, ...[...losses, ...pooled].map(([, value]) => value));
  const loss: Chart = {
    title: "Training loss",
    xLabel: "round",
    yRange: [0, Math.ceil(top * 2) / 2],
    series: [
      ...(losses.length === 0 ? [] : [{ name: "federated", colour: COLOURS[2], points: losses }]),
      ...(pooled.length === 0 ? [] : [{ name: "pooled", colour: COLOURS[1], points: pooled, dashed: true }]),
    ],
  };
  const figures = [
    [dice, ", on the hospitals' validation cases"],
    [meanDiceBesidePooled(roundFigures, pooledTraining), ", on the hospitals' validation cases"],
    [loss, ", mean of each round's steps"],
  ] as const;
  const drawn = figures.filter(([{ series }]) => series.length > 0);
  return `<div class="charts">${drawn.map(([chart, more]) => `<figure>${lineChart(chart)}<figcaption>${escapeHtml(chart.title + more)}</figcaption></figure>`).join("")}</div>${rates(result)}`;
}

/** Whether both have stopped to rise: a comparison before that is one of speeds. */
function meanDiceBesidePooled(
  roundFigures: readonly RoundFigures[],
  pooledTraining: ReportInput["pooledTraining"],
): Chart {
  const pointsOf = (rounds: readonly { round: number; dice: RegionMeans | null }[]): (readonly [number, number])[] =>
    rounds.flatMap(({ round, dice }) => (typeof dice?.mean === "number" ? [[round, dice.mean] as const] : []));
  const pooled = pointsOf(pooledTraining?.curve ?? []);
  const federated = pointsOf(roundFigures);
  const series = [
    { name: "federated", colour: COLOURS[2], points: federated },
    { name: "pooled", colour: COLOURS[1], points: pooled, dashed: true },
  ];
  const both = pooled.length > 0 && federated.length > 0;
  return { title: "Mean Dice beside pooled data", xLabel: "round", yRange: [0, 1], series: both ? series : [] };
}

function rates({ learningRates }: FederationResult): string {
  if (learningRates === null) return "";
  const rows = learningRates.tried.map(({ rate, federated, pooled }) => [
    String(rate),
    figure(federated),
    figure(pooled),
  ]);
  const chosen = `Federated training took ${learningRates.federated}, pooled training ${learningRates.pooled ?? "none"}.`;
  return `<h3>Learning rates</h3><p>Each took the best of one list by the mean Dice on the hospitals' validation cases. ${chosen}</p>${table(["Rate", "Federated", "Pooled"], rows)}`;
}

/** Who was asked to train in a round, who only evaluated, and who was asked and left out. */
function participation({ study, roundFigures }: ReportInput): string {
  const { sitesPerRound } = study.rounds;
  const missing = roundFigures.flatMap(({ round, leftOut: sites }) =>
    sites.map(({ siteId, reason }) => `round ${round}: ${siteId} (${reason})`),
  );
  const all = sitesPerRound === undefined ? "Every hospital that trains" : "Every one of them";
  const sentences = [
    ...(sitesPerRound === undefined ? [] : [`In each round ${sitesPerRound} hospitals were drawn to train, in turn.`]),
    missing.length === 0 ? `${all} took part in each round.` : `Left out: ${missing.join("; ")}.`,
    ...(study.evaluateOnly === undefined ? [] : [`Models were only measured at ${study.evaluateOnly.join(", ")}.`]),
  ];
  return `<p>${escapeHtml(sentences.join(" "))}</p>`;
}

function pictures({ pictures: list }: ReportInput): string {
  if (list.length === 0) return "";
  const figures = list.map(
    ({ caption, png }) =>
      `<figure><img alt="${escapeHtml(caption)}" src="data:image/png;base64,${Buffer.from(png).toString("base64")}"><figcaption>${escapeHtml(caption)}</figcaption></figure>`,
  );
  return `<h2>On patients it never saw</h2><div class="pictures">${figures.join("")}</div>`;
}

function trafficTable({ traffic }: ReportInput): string {
  const rows = traffic.map(({ siteId, updates, updateBytes, messages, messageBytes }) => [
    siteId,
    String(updates),
    bytes(updateBytes),
    String(messages),
    bytes(messageBytes),
  ]);
  return table(["Hospital", "Updates", "in all", "Messages", "in all"], rows);
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const row = (cells: readonly string[], tag: "th" | "td"): string =>
    `<tr>${cells.map((cell, i) => `<${tag}${i > 0 ? ' class="n"' : ""}>${escapeHtml(cell)}</${tag}>`).join("")}</tr>`;
  return scrollingTable(
    `<table><thead>${row(head, "th")}</thead><tbody>${rows.map((cells) => row(cells, "td")).join("")}</tbody></table>`,
  );
}

export function figure(value: number | null | undefined, digits = 3): string {
  return value === null || value === undefined ? "–" : value.toFixed(digits);
}

function bytes(count: number): string {
  return count >= 1e6 ? `${(count / 1e6).toFixed(1)} MB` : `${(count / 1e3).toFixed(1)} kB`;
}

const STYLE = `
:root { color-scheme: light; --ink: #1c2321; --soft: #5d6b66; --line: #d9e0dd; --fill: #f4f7f5; --accent: #0b6e4f; }
* { box-sizing: border-box; }
body { margin: 0; background: #fff; color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 62rem; margin: 0 auto; padding: 2rem 1.25rem 4rem; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 .5rem; }
h2 { font-size: 1.2rem; margin: 2.2rem 0 .6rem; }
h3 { font-size: 1rem; margin: 1.4rem 0 .4rem; }
.lead { color: var(--soft); max-width: 46rem; overflow-wrap: anywhere; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(11rem, 1fr)); gap: .8rem; margin: 1.4rem 0; }
.tile { background: var(--fill); border-radius: .5rem; padding: .9rem 1rem; }
.tile b { display: block; font-size: 1.7rem; color: var(--accent); font-variant-numeric: tabular-nums; }
.tile span { color: var(--soft); font-size: .85rem; display: block; line-height: 1.35; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .9rem; width: 100%; }
th, td { border-bottom: 1px solid var(--line); padding: .4rem .5rem; text-align: left; white-space: nowrap; }
th { color: var(--soft); font-weight: 600; }
.n { text-align: right; font-variant-numeric: tabular-nums; }
.matrix { width: auto; }
.matrix th + th, .matrix td { text-align: right; }
.matrix td { font-variant-numeric: tabular-nums; }
.matrix .all th, .matrix .all td { border-bottom: 2px solid var(--soft); }
.matrix .own { font-weight: 700; }
.charts, .pictures { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(20rem, 100%), 1fr)); gap: 1rem; }
figure { margin: 0; }
figcaption { color: var(--soft); font-size: .85rem; }
.chart { width: 100%; height: auto; font-size: 12px; }
.chart text:not([fill]) { fill: var(--soft); }
.chart .grid { stroke: var(--line); }
img { width: 100%; height: auto; image-rendering: auto; background: #000; border-radius: .3rem; }
pre { background: var(--fill); border-radius: .4rem; padding: .8rem 1rem; overflow-x: auto; white-space: pre-wrap; overflow-wrap: anywhere; font-size: .85rem; }
.small { color: var(--soft); font-size: .85rem; overflow-wrap: anywhere; }
`;
