/** What a running coordinator says to its operator: a line for each thing that happened. */
import { ConsiliumError } from "../base/index.ts";
import { type CoordinatorNews, roundOf } from "../coordinator/index.ts";
import { formatBytes, formatFigure } from "./format.ts";
import { describeChange } from "./live-change.ts";
import type { Progress } from "./progress.ts";
import { short } from "./site-events.ts";

export function createCoordinatorTeller(progress: Progress): (news: CoordinatorNews) => void {
  let phase = "";
  return (news) => {
    if (news.kind === "trouble") {
      const { error } = news;
      return progress.note(`Trouble: ${error instanceof ConsiliumError ? error.message : String(error)}`);
    }
    if (news.kind === "way") return progress.note(describeWay(news.siteId, news.mutualTls));
    const line = describeEvent(news.event);
    if (line !== undefined) progress.note(line);
    const now = describePhase(news.state);
    if (now !== phase) progress.note(now);
    phase = now;
  };
}

function describeWay(siteId: string, mutualTls: boolean): string {
  if (mutualTls) return `${siteId} comes over mutual TLS`;
  return `${siteId} comes through a proxy that ends TLS: mutual TLS is off, its messages are sealed and signed`;
}

type Happened = Extract<CoordinatorNews, { kind: "event" }>;

function describeEvent(event: Happened["event"]): string | undefined {
  switch (event.kind) {
    case "site-invited":
      return `${event.siteId} invited`;
    case "site-enrolled":
      return `${event.siteId} joined, key ${short(event.keySha256)}`;
    case "site-renewed":
      return `${event.siteId} has a new certificate`;
    case "site-revoked":
      return `${event.siteId} revoked: ${event.reason}`;
    case "site-reported":
      return (
        event.data &&
        `${event.siteId} has ${event.data.trainingCases} training and ${event.data.validationCases} validation cases`
      );
    case "study-submitted":
      return `Study "${event.study.name}" (${short(event.hash)}) submitted`;
    case "approval-received":
      return `${event.siteId} ${event.approved ? "approved" : "refused"} the study${event.reason === "" ? "" : `: ${event.reason}`}`;
    case "update-received":
      return `Round ${event.round}: update of ${event.siteId}, ${formatBytes(event.update.bytes)}${event.trainingCases === 0 ? ", figures in the sum alone" : `, ${event.trainingCases} cases, ${event.meanLoss === null ? "loss kept there" : `mean loss ${event.meanLoss.toFixed(3)}`}`}`;
    case "masking-received":
      return undefined;
    case "evaluation-received":
      return `Round ${event.round}: ${event.siteId} evaluated ${event.cases} cases`;
    case "cross-evaluation-received":
      return `Round ${event.round}: ${event.siteId} measured the model of ${event.ofSite} on ${event.cases} cases`;
    case "statistics-received":
      return `${event.siteId} told statistics${event.figures.cases === null ? ", all of them withheld" : ` of ${event.figures.cases} cases`}`;
    case "failure-received":
      return `Round ${event.round}: ${event.siteId} failed (${event.code})`;
    case "round-aggregated":
      return `Round ${event.round}: summed, model ${short(event.model.sha256)}`;
    case "aggregation-failed":
      return `Round ${event.round}: the sum failed: ${event.reason}`;
    case "authority-rotated":
      return `The federation's authority is rotated: ${short(event.toSha256)} beside ${short(event.fromSha256)} until ${new Date(event.endsMs).toISOString().slice(0, 10)}`;
    case "study-stopped":
      return `Study stopped: ${event.reason}`;
    case "study-paused":
    case "study-resumed":
    case "study-changed":
    case "study-begun":
      return `Study ${describeChange({ ...event, kind: event.kind.slice("study-".length) })}`;
    case "time-reached":
    case "coordinator-started":
      return undefined;
    default:
      return event satisfies never;
  }
}

function describePhase({ phase, study }: Happened["state"]): string {
  switch (phase.kind) {
    case "idle":
      return "Waiting for a study";
    case "approving":
      return "Waiting for the sites' reviewers";
    case "surveying":
      return "Sites tell statistics of their data";
    case "agreeing":
      return `Round ${phase.round}: sites exchange keys for masking`;
    case "unmasking":
      return `Round ${phase.round}: sites open the sum`;
    case "collecting":
      return `Round ${phase.round}: sites train`;
    case "aggregating":
      return `Round ${phase.round}: summing`;
    case "evaluating": {
      return `Round ${phase.round}: sites evaluate`;
    }
    case "crossing":
      return `Round ${phase.round}: sites measure each other's models`;
    case "done": {
      const mean = study === null ? null : roundOf(study, phase.bestRound)?.evaluation?.meanDice;
      return `Done. Best model: round ${phase.bestRound}, mean Dice ${formatFigure(mean)}, ${short(phase.best.sha256)}`;
    }
    case "failed":
      return `Failed: ${phase.reason}`;
    default:
      return phase satisfies never;
  }
}
