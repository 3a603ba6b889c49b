/** `status`: where the federation is: sites, rounds, Dice so far. */
import { type Json, LIMITS } from "../../base/index.ts";
import type { CoordinatorStatus } from "../../coordinator/index.ts";
import { defineCommand } from "../command.ts";
import { formatDuration, formatFigure, formatTable } from "../format.ts";
import { describeChange } from "../live-change.ts";
import { option } from "../options.ts";
import { short } from "../site-events.ts";
import { matrixLines } from "./study-matrix.ts";
import { statisticsLine } from "./study-statistics.ts";

type StudyStatus = NonNullable<CoordinatorStatus["study"]>;

export const status = defineCommand({
  path: ["status"],
  summary: "Show a federation's sites, rounds and Dice so far",
  description:
    "With --watch it goes on until the study ends or it is interrupted: on a terminal the screen is kept up to date, " +
    "elsewhere the status is written again when it has changed (with --json a document a line).",
  options: {
    home: option.requiredText("DIR", "the coordinator's home folder"),
    watch: option.flag("keep it up to date, until the study ends"),
  },
  examples: ["consilium status --home coordinator", "consilium status --home coordinator --watch"],
  async run({ options, show, signal }) {
    const { adminClient } = await import("../../coordinator/index.ts");
    const client = adminClient(options.home);
    let shown = "";
    for (;;) {
      const told = await client.status();
      const result = { json: told as unknown as Json, text: describeStatus(told, Date.now()) };
      if (!options.watch || (told.study !== null && told.study.end !== null)) return result;
      const essence = essenceOf(told);
      if (essence !== shown || process.stdout.isTTY) show(result.json, result.text);
      shown = essence;
      await pause(WATCH_MS, signal);
    }
  },
});

const WATCH_MS = 1_000;

/** The status without what changes at every sign of life. */
function essenceOf(told: CoordinatorStatus): string {
  const sites = told.sites.map((site) => ({ ...site, lastContactMs: null, clockOffsetMs: null }));
  return JSON.stringify({ ...told, sites });
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const stop = (): void => {
      clearTimeout(timer);
      reject(signal.reason as Error);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", stop);
      resolve();
    }, ms);
    signal.addEventListener("abort", stop, { once: true });
  });
}

export function describeStatus(
  { federation, serving, sites, invitations, study, trouble }: CoordinatorStatus,
  nowMs: number,
): string {
  const open = invitations.filter(({ used, expiresMs }) => !used && expiresMs > nowMs);
  const sections = [`"${federation.name}" at ${federation.address}, ${serving ? "running" : "not running"}`];
  if (trouble !== null) sections.push(`Trouble at the coordinator: ${trouble.message}`);
  const { keySealed, rotation } = federation.authority;
  if (!keySealed) {
    sections.push("The authority's key is not encrypted: `consilium coordinator passphrase` gives it a passphrase.");
  }
  if (rotation !== null) sections.push(describeRotation(rotation));
  sections.push(sites.length === 0 ? "No site has joined yet." : sitesTable(sites, nowMs));
  const sealed = sites.filter(({ mutualTls }) => mutualTls === false).map(({ id }) => id);
  if (sealed.length > 0) {
    sections.push(`Mutual TLS is off (sealed calls through a proxy that ends TLS): ${sealed.join(", ")}`);
  }
  if (open.length > 0) sections.push(`Invited, not joined yet: ${open.map(({ siteId }) => siteId).join(", ")}`);
  sections.push(study === null ? "No study yet." : describeStudy(study));
  return sections.join("\n\n");
}

function describeRotation({
  endsMs,
  awaited,
}: NonNullable<CoordinatorStatus["federation"]["authority"]["rotation"]>): string {
  const until = `The authority is being rotated; the old one is believed until ${new Date(endsMs).toISOString().slice(0, 10)}.`;
  if (awaited.length === 0) return `${until} Every site has a certificate of the new one.`;
  return `${until} Sites without a certificate of the new one: ${awaited.join(", ")}`;
}

/** Rounds whose gaps are shown; all of them are in the JSON. */
const GAPS_SHOWN = 5;
const DAY_MS = 86_400_000;
const COLUMNS = ["Site", "Training", "Validation", "Study", "Doing", "Heard", "Version", "Key", "Clock"];

/** The site's clock less the coordinator's, in words where it matters. */
function clockWords(offsetMs: number | null): string {
  if (offsetMs === null) return "–";
  if (Math.abs(offsetMs) <= LIMITS.clockOffsetToldMs) return "right";
  return `${formatDuration(Math.abs(offsetMs))} ${offsetMs > 0 ? "ahead" : "behind"}`;
}

function sitesTable(sites: CoordinatorStatus["sites"], nowMs: number): string {
  const rows = sites.map((site) => {
    const { id, cases, approved, lastContactMs, activity, stepsDone, stepsTotal } = site;
    return [
      id,
      cases === null ? null : String(cases.training),
      cases === null ? null : String(cases.validation),
      approved === null ? "–" : approved ? "approved" : "refused",
      site.revoked !== null ? "revoked" : stepsTotal ? `${activity} ${stepsDone} of ${stepsTotal}` : (activity ?? "–"),
      lastContactMs === null ? "never" : `${formatDuration(nowMs - lastContactMs)} ago`,
      site.productVersion,
      `${Math.floor((nowMs - site.enrolledMs) / DAY_MS)} d`,
      clockWords(site.clockOffsetMs),
    ];
  });
  return formatTable(COLUMNS, rows);
}

function describeStudy(study: StudyStatus): string {
  const { name, hash, phase, round, roundsInAll, rounds, failedRounds, failures, best, paused, changes, end, off } =
    study;
  const regions = [...new Set(rounds.flatMap(({ dice }) => Object.keys(dice?.regions ?? {})))];
  const rows = rounds.map((each) => [
    String(each.round),
    String(each.trained.sites),
    formatFigure(each.trained.meanLoss),
    ...regions.map((region) => formatFigure(each.dice?.regions[region]?.dice)),
    formatFigure(each.dice?.mean),
    formatDuration(each.seconds * 1000),
  ]);
  const troubles = Object.entries(failures).map(
    ([site, { times, code, hint }]) => `${site} failed ${times} times: ${code}. ${hint}`,
  );
  const state = paused === null ? phase : `paused while ${phase}`;
  const lines = [
    `Study "${name}" (${short(hash)}): ${state}, round ${round} of ${roundsInAll}`,
    ...changes.map(
      (change) => `${new Date(change.atMs).toISOString().slice(0, 16).replace("T", " ")} ${describeChange(change)}`,
    ),
    ...troubles,
  ];
  if (study.statistics !== null) lines.push("", statisticsLine(study.statistics));
  if (rows.length > 0) {
    const columns = ["Round", "Sites", "Loss", ...regions.map((region) => `Dice ${region}`), "Mean", "Time"];
    lines.push("", formatTable(columns, rows));
  }
  if (study.matrices.length > 0 || study.matrixUnderway !== null) lines.push("", ...matrixLines(study));
  const beside = [...outOfSample(rounds.at(-1)), ...beforeAndAfter(rounds.at(-1))];
  if (beside.length > 0) lines.push("", ...beside);
  const gaps = [
    ...rounds
      .filter(({ sites }) => sites.some(isPartial))
      .slice(-GAPS_SHOWN)
      .map(describePartial),
    ...rounds
      .filter(({ leftOut }) => leftOut.length > 0)
      .slice(-GAPS_SHOWN)
      .map(describeGap),
    ...failedRounds.map(({ round, reason }) => `Round ${round} failed: ${reason}`),
  ];
  if (gaps.length > 0) lines.push("", ...gaps);
  if (best !== null)
    lines.push(
      "",
      `Best so far: round ${best.round}, mean Dice ${formatFigure(best.meanDice)}, model ${short(best.sha256)}`,
      ...byRegion(study),
    );
  if (end?.kind === "done" && end.early !== undefined) lines.push("", `Ended before its last round: ${end.early}`);
  if (off.length > 0) lines.push("", ...off);
  if (end?.kind === "failed") lines.push("", `Failed: ${end.reason}`);
  return lines.join("\n");
}

/** Told where the best models of regions are not all the best of all. */
function byRegion({ best, bestByRegion }: StudyStatus): string[] {
  const regions = Object.entries(bestByRegion);
  if (regions.every(([, { round }]) => round === best?.round)) return [];
  const told = regions.map(([region, { round, dice }]) => `${region} round ${round} (${formatFigure(dice)})`);
  return [`By region: ${told.join(", ")}`];
}

function outOfSample(round: StudyStatus["rounds"][number] | undefined): string[] {
  if (!round?.outOfSample) return [];
  const { sites, dice } = round.outOfSample;
  const each = Object.entries(sites).map(([site, figures]) => `${site} ${formatFigure(figures?.mean)}`);
  return [`Out of sample, round ${round.round}: mean Dice ${formatFigure(dice.mean)} (${each.join(", ")})`];
}

function beforeAndAfter(round: StudyStatus["rounds"][number] | undefined): string[] {
  const told = (round?.sites ?? []).flatMap(({ id, local, dice }) => {
    if (local === null) return [];
    return [[id, formatFigure(local.before?.mean), formatFigure(local.after?.mean), formatFigure(dice?.mean)]];
  });
  if (round === undefined || told.length === 0) return [];
  const columns = ["Site", "Dice before", "its own model", "all together"];
  return [`Round ${round.round} at each site, on its validation cases:`, formatTable(columns, told)];
}

/** Who was left out of a round, why, and what that did to the weights of the others. */
function describeGap({ round, leftOut, sites }: StudyStatus["rounds"][number]): string {
  const absent = leftOut.map(({ siteId, reason, shareLost }) => {
    return `${siteId}: ${reason}${shareLost === undefined ? "" : ` (${percent(shareLost)} % of all cases)`}`;
  });
  const moved = sites.map(({ id, share, shareOfAll }) => `${id} ${percent(shareOfAll)} to ${percent(share)} %`);
  const known = leftOut.some(({ shareLost }) => shareLost !== undefined);
  return `Round ${round} without ${absent.join("; ")}${known ? `; the others' weights: ${moved.join(", ")}` : ""}`;
}

function isPartial({ stepsAsked }: StudyStatus["rounds"][number]["sites"][number]): boolean {
  return stepsAsked !== null;
}

function describePartial({ round, sites }: StudyStatus["rounds"][number]): string {
  const told = sites
    .filter(isPartial)
    .map(({ id, gradientSteps, stepsAsked }) => `${id} ${gradientSteps} of ${stepsAsked} steps`);
  return `Round ${round}: partial work, weights divided by its share: ${told.join(", ")}`;
}

function percent(share: number): string {
  return (100 * share).toFixed(1);
}
