/** What a site at work says to its operator: lines that stay, and progress that is rewritten. */
import type { ConsiliumError } from "../base/index.ts";
import type { ActivityRecorder, Comparison, SiteEvent } from "../site/index.ts";
import { formatBytes, formatDuration, formatFigure } from "./format.ts";
import { describeChange } from "./live-change.ts";
import type { Progress } from "./progress.ts";

export interface SiteVoice {
  readonly progress: Progress;
  readonly activity: ActivityRecorder;
  /** What of an error of this site's work may be told where others read it. */
  readonly quiet: (error: ConsiliumError) => ConsiliumError;
}

/** Tells events as they come, and keeps them as the site's activity; waiting is told once for each reason. */
export function createSiteTeller({ progress, activity, quiet }: SiteVoice): (event: SiteEvent) => void {
  let lastWait = "";
  return (event) => {
    if (event.kind === "progress") {
      const { activity: what, round, done, total, loss } = event;
      activity.working({ what, round, done, total, loss: loss ?? null });
      const detail = loss === undefined ? {} : { detail: `loss ${loss.toFixed(3)}` };
      const unit = what === "training" ? "steps" : "cases";
      const label = what === "surveying" ? "Statistics" : `Round ${round}, ${what}`;
      return progress.update({ label, done, total, unit, ...detail });
    }
    const wait = event.kind === "waiting" || event.kind === "unreachable" ? `${event.kind} ${reasonOf(event)}` : "";
    if (wait === "" || wait !== lastWait) {
      const line = describeSiteEvent(quietly(event, quiet));
      progress.note(line);
      activity.told(line);
    }
    lastWait = wait;
  };
}

/** Errors of work at the site name cases and files; those of its talk with the coordinator cannot. */
function quietly<E extends SiteEvent>(event: E, quiet: SiteVoice["quiet"]): E {
  if (event.kind !== "failure" && event.kind !== "own-not-evaluated") return event;
  return { ...event, error: quiet(event.error) };
}

function reasonOf(event: Extract<SiteEvent, { kind: "waiting" | "unreachable" }>): string {
  return event.kind === "waiting" ? event.reason : event.error.code;
}

export function describeSiteEvent(event: Exclude<SiteEvent, { kind: "progress" }>): string {
  switch (event.kind) {
    case "mutual-tls-off":
      return `Mutual TLS is off: messages to ${event.address} are sealed and signed, and go through a proxy that ends TLS`;
    case "waiting":
      return `Waiting: ${event.reason}`;
    case "review":
      return (
        `Study "${event.name}" (${short(event.studyHash)}) waits for this site's reviewer: ` +
        "see `consilium site review`, then `consilium site approve`."
      );
    case "approval-sent":
      return `${event.approved ? "Approval" : "Refusal"} of study ${short(event.studyHash)} sent.`;
    case "training":
      return `Round ${event.round}: training, ${event.steps} steps`;
    case "resuming":
      return `Round ${event.round}: going on from what was kept`;
    case "update-sent":
      return `Round ${event.round}: update sent, ${formatBytes(event.bytes)}, mean loss ${formatFigure(event.meanLoss)}${clipped(event.clippedCoordinates)}`;
    case "evaluated":
      return `Round ${event.round}: evaluated on ${event.cases} cases${dice(event.regions)}`;
    case "evaluated-other":
      return `Round ${event.round}: the model of ${event.ofSite} on ${event.cases} cases here${dice(event.regions)}`;
    case "statistics-sent":
      return `Study ${short(event.studyHash)}: statistics sent${event.cases === null ? ", all of them withheld: too few patients" : ` of ${event.cases} cases`}`;
    case "evaluated-own":
      return `Round ${event.round}: on ${event.cases} cases here, before training${dice(event.before)}; after it${dice(event.after)}`;
    case "own-not-evaluated":
      return `Round ${event.round}: this site's own model could not be scored, and its update goes without: ${event.error.message}`;
    case "erased":
      return `Study ${short(event.studyHash)}: erased here, ${event.files} file(s) of ${formatBytes(event.bytes)}; its models stay`;
    case "study-changed":
      return `Study ${short(event.studyHash)}: ${describeChange(event.change)}`;
    case "compared":
      return `Round ${event.round}: ${besideOthers(event)}`;
    case "certificate-renewed":
      return `Certificate renewed, until ${new Date(event.expiresMs).toISOString().slice(0, 10)}`;
    case "clock-differs":
      return `This machine's clock is ${formatDuration(Math.abs(event.offsetMs))} ${event.offsetMs > 0 ? "behind" : "ahead of"} the coordinator's: set it right.`;
    case "withdrawn":
      return `Round ${event.round}: the coordinator no longer asks for this work`;
    case "not-accepted":
      return `${event.what} ${event.outcome}: ${event.error.message}`;
    case "failure":
      return `Round ${event.round}, attempt ${event.times}: ${event.error.message}`;
    case "unreachable":
      return `The coordinator cannot be reached (${event.error.actual}); trying again in ${formatDuration(event.retryInMs)}`;
    case "done":
      return `Study ${short(event.studyHash)} is done. Best model: round ${event.bestRound}, ${short(event.bestSha256)}`;
    case "failed":
      return `Study ${short(event.studyHash)} failed: ${event.reason}`;
    default:
      return event satisfies never;
  }
}

/** This site beside the sum of all others, for its own people. */
export function besideOthers({ otherSites, ownDice, othersDice, ownLoss, othersLoss }: Comparison): string {
  return (
    `loss here ${formatFigure(ownLoss)}, at the ${otherSites} other sites together ${formatFigure(othersLoss)}; ` +
    `mean Dice of the model before it here ${formatFigure(ownDice)}, there ${formatFigure(othersDice)}`
  );
}

/** Enough of a digest for people. */
export function short(sha256: string): string {
  return sha256.slice(0, 12);
}

function clipped(coordinates: number): string {
  return coordinates === 0 ? "" : `, ${coordinates} coordinates clipped`;
}

function dice(regions: Extract<SiteEvent, { kind: "evaluated" }>["regions"]): string {
  const parts = regions.map(({ region, diceSum, diceCases }) => {
    return `${region} ${formatFigure(diceCases === 0 ? null : diceSum / diceCases)}`;
  });
  return parts.length === 0 ? "" : `, mean Dice ${parts.join(", ")}`;
}
