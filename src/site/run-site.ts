/**
 * A site at work: it asks the coordinator what to do, does it, and answers, until the study ends or it is stopped.
 * The same code runs behind `site start` over TLS and in simulations over the link in memory.
 *
 * Invariants
 * - The coordinator's directive is all that decides what is done next; every step may be repeated, and a repeated
 *   step sends the same bytes.
 * - Nothing of a study runs without a decision of this site's reviewer that still holds (`reviews.ts`).
 * - What goes wrong here is reported by its code alone: messages of local errors may name cases, so they stay.
 */
import { ConsiliumError, LIMITS, type Sha256 } from "../base/index.ts";
import { type Directive, errorFromRecord, type ReviewStudy, type StudyDone } from "../protocol/index.ts";
import { answerOffer, refusalToTell, tellRefusal } from "./answer-offer.ts";
import { crossEvaluate } from "./cross-evaluate.ts";
import type { OpenWork } from "./engine.ts";
import { eraseEndedStudies } from "./erase-study.ts";
import { evaluateModel } from "./evaluate-model.ts";
import { answerMaskingStep } from "./masked-update.ts";
import type { Answer } from "./outgoing.ts";
import { networkFileOf } from "./prepare-order.ts";
import { knownReview, type StudyReview } from "./reviews.ts";
import {
  ask,
  endsTheShift,
  orderKey,
  type Shift,
  type ShiftOptions,
  say,
  startShift,
  tellVerdict,
  untilReached,
  type Worked,
  workKey,
} from "./shift.ts";
import { hearNews, isHeld } from "./study-news.ts";
import { commitEnd, readEnd } from "./study-progress.ts";
import { compareWithOthers } from "./summed-figures.ts";
import { surveyData } from "./survey-data.ts";
import { trainRound } from "./train-round.ts";

export interface RunSiteOptions extends ShiftOptions {
  readonly openWork: OpenWork;
  /** Whether the site goes home when a study ends, or waits for the next one. */
  readonly until?: "study-ends" | "stopped";
}

export type RunOutcome =
  | {
      readonly kind: "done";
      readonly studyHash: Sha256;
      readonly finalSha256: Sha256;
      readonly bestSha256: Sha256;
      readonly bestRound: number;
    }
  | { readonly kind: "failed"; readonly studyHash: Sha256; readonly reason: string }
  | { readonly kind: "stopped" };

type Next =
  | { readonly kind: "next"; readonly directive: Directive }
  | { readonly kind: "end"; readonly outcome: RunOutcome };

/** Between two identical orders, and where the coordinator names no time. */
const DEFAULT_PAUSE_MS = 1_000;
/** Between two questions while the study is paused. */
const HELD_PAUSE_MS = 5_000;

/**
 * Works until the study ends (`until: "study-ends"`) or the signal is aborted.
 *
 * @throws ConsiliumError that no second try mends, such as `disk-full` or `certificate-expired`; started again, the
 * site goes on where it was.
 */
export async function runSite(options: RunSiteOptions): Promise<RunOutcome> {
  const signal = options.signal ?? new AbortController().signal;
  const shift = await startShift({ ...options, signal });
  try {
    return await work(shift, options.until ?? "study-ends");
  } catch (error) {
    if (signal.aborted) return { kind: "stopped" };
    throw error;
  } finally {
    await shift.engine.drop();
    await shift.out.close();
  }
}

async function work(shift: Shift, until: "study-ends" | "stopped"): Promise<RunOutcome> {
  const failures = new Map<string, number>();
  const { membership, tlsProxy } = shift.site;
  if (tlsProxy !== undefined) await shift.emit({ kind: "mutual-tls-off", address: membership.address });
  await eraseEndedStudies(shift);
  let directive = await ask(shift);
  let waits = 0;
  for (;;) {
    shift.signal.throwIfAborted();
    waits = directive.kind.case === "wait" || isHeld(directive) ? waits + 1 : 0;
    await hearNews(shift, directive);
    const next = await obey(shift, directive, failures, waits);
    if (next.kind === "next") {
      directive = next.directive;
      continue;
    }
    if (until === "study-ends") return next.outcome;
    await rest(shift, shift.timing.heartbeatMs);
    directive = await ask(shift);
  }
}

/** A short wait is over soon or takes long: every tenth time in a row a site asks less often, down to a fifth. */
function patienceAfter(waits: number): number {
  return Math.min(5, 1 + Math.floor(waits / 10));
}

async function obey(shift: Shift, directive: Directive, failures: Map<string, number>, waits: number): Promise<Next> {
  const { kind } = directive;
  const left = await refusalToTell(shift, directive);
  if (left !== undefined) return leave(shift, directive, left);
  if (isHeld(directive)) return waitAndAsk(shift, "The study is paused.", HELD_PAUSE_MS * patienceAfter(waits));
  switch (kind.case) {
    case "review":
      return review(shift, directive, kind.value);
    case "survey":
      return attempt(shift, directive, failures, () => surveyData(shift, directive, kind.value));
    case "train":
      return attempt(shift, directive, failures, () => trainRound(shift, directive, kind.value));
    case "evaluate":
      return attempt(shift, directive, failures, () => evaluateModel(shift, directive, kind.value));
    case "crossEvaluate":
      return attempt(shift, directive, failures, () => crossEvaluate(shift, directive, kind.value));
    case "masking":
      return attempt(shift, directive, failures, () => answerMaskingStep(shift, directive, kind.value));
    case "done":
      return finish(shift, kind.value);
    case "failed": {
      const { studyHash, reason } = kind.value;
      await commitEnd(shift.site.store, studyHash, { kind: "failed", reason, endedAtMs: shift.clock.nowMs() });
      await shift.emit({ kind: "failed", studyHash, reason });
      await eraseEndedStudies(shift);
      return { kind: "end", outcome: { kind: "failed", studyHash, reason } };
    }
    case "wait":
      return waitAndAsk(shift, kind.value.reason, kind.value.retryAfterMs * patienceAfter(waits));
    case undefined:
      throw new ConsiliumError("protocol-version", {
        subject: "the coordinator's directive",
        expected: "one that this version knows",
        actual: "another",
        hint: "The coordinator runs a newer version of Consilium: upgrade this site.",
      });
    default:
      return kind satisfies never;
  }
}

/** Does an ordered piece of work; what fails is reported and tried again, at most so often for one order. */
async function attempt(
  shift: Shift,
  directive: Directive,
  failures: Map<string, number>,
  run: () => Promise<Worked<Answer>>,
): Promise<Next> {
  const key = workKey(directive);
  const failed = failures.get(key) ?? 0;
  if (failed >= LIMITS.siteAttempts) return pauseAndAsk(shift, shift.timing.heartbeatMs);
  try {
    const worked = await run();
    if (worked.kind === "withdrawn") return await withdrawn(shift, directive, worked.directive);
    const { verdict, directive: next } = worked.value;
    await tellVerdict(shift, key.split(" ")[0], verdict);
    if (verdict.outcome === "rejected") throw errorFromRecord(verdict);
    return await onward(shift, directive, next);
  } catch (error) {
    shift.signal.throwIfAborted();
    if (endsTheShift(error) || !(error instanceof ConsiliumError)) throw error;
    const now = await overtakenBy(shift, directive, error);
    if (now !== undefined) return await withdrawn(shift, directive, now);
    failures.set(key, failed + 1);
    await shift.engine.drop();
    return reportFailure(shift, directive, error, failed + 1);
  }
}

async function withdrawn(shift: Shift, directive: Directive, next: Directive): Promise<Next> {
  await shift.emit({ kind: "withdrawn", round: orderOf(directive).round });
  return { kind: "next", directive: next };
}

/**
 * An object that the coordinator takes or gives no longer may be of a round that closed without this site: then work came
 * late, and did not fail. @returns the order that holds now; undefined where it is the same one, or the error another
 */
async function overtakenBy(
  shift: Shift,
  directive: Directive,
  { code }: ConsiliumError,
): Promise<Directive | undefined> {
  if (code !== "object-refused") return undefined;
  const now = await ask(shift);
  return orderKey(now) === orderKey(directive) ? undefined : now;
}

/** The code goes out and nothing else of the error: its words may name a case. */
async function reportFailure(shift: Shift, directive: Directive, error: ConsiliumError, times: number): Promise<Next> {
  const { studyHash, round, attempt: tried } = orderOf(directive);
  await shift.emit({ kind: "failure", round, times, error });
  const answer = await say(shift, {
    what: "failure report",
    studyHash,
    round,
    attempt: tried,
    kind: {
      case: "failure",
      value: {
        round,
        attempt: tried,
        code: error.code,
        subject: "work at the site",
        expected: "work that ends well",
        actual: `an error of code ${error.code}`,
        hint: "The site's operator sees what happened: ask there.",
        ...(directive.kind.case === "crossEvaluate" && { ofSite: directive.kind.value.ofSite }),
      },
    },
  });
  await tellVerdict(shift, "failure report", answer.verdict);
  return onward(shift, directive, answer.directive);
}

function orderOf({ kind }: Directive): { studyHash: Sha256; round: number; attempt: number } {
  if (kind.case === "train" || kind.case === "evaluate" || kind.case === "crossEvaluate") return kind.value;
  if (kind.case === "survey") return { ...kind.value, round: 0 };
  if (kind.case === "masking") return { ...kind.value, attempt: 0 };
  return { studyHash: "", round: 0, attempt: 0 };
}

async function leave(shift: Shift, directive: Directive, review: StudyReview): Promise<Next> {
  await shift.engine.drop();
  return onward(shift, directive, (await tellRefusal(shift, review)).directive);
}

async function review(shift: Shift, directive: Directive, offer: ReviewStudy): Promise<Next> {
  const answer = await answerOffer(shift, offer);
  if (answer === undefined) return pauseAndAsk(shift, shift.timing.heartbeatMs);
  return onward(shift, directive, answer.directive);
}

async function finish(shift: Shift, done: StudyDone): Promise<Next> {
  const { studyHash, finalSha256, bestSha256, bestRound } = done;
  const { store } = shift.site;
  const known = await readEnd(store, studyHash);
  if (known === undefined) {
    const networkSha256 = await keepModels(shift, done);
    const endedAtMs = shift.clock.nowMs();
    const compared = await compareWithOthers(store, shift.site.siteId, studyHash, done.figures);
    if (compared !== undefined) await shift.emit({ kind: "compared", studyHash, ...compared });
    const byRegion = Object.fromEntries(done.byRegion.map(({ region, round, sha256 }) => [region, { round, sha256 }]));
    const end = { finalSha256, bestSha256, bestRound, byRegion, ...(networkSha256 !== undefined && { networkSha256 }) };
    await commitEnd(store, studyHash, { kind: "done", ...end, endedAtMs });
    await shift.emit({ kind: "done", studyHash, finalSha256, bestSha256, bestRound });
  }
  await eraseEndedStudies(shift);
  return { kind: "end", outcome: { kind: "done", studyHash, finalSha256, bestSha256, bestRound } };
}

/** The model comes back to every site that helped to make it. @returns the digest of its network, where that is a file */
async function keepModels(shift: Shift, done: StudyDone): Promise<Sha256 | undefined> {
  const { studyHash, finalSha256, finalBytes, bestSha256, bestBytes, finalRound } = done;
  for (const [sha256, bytes] of [
    [finalSha256, finalBytes],
    [bestSha256, bestBytes],
    ...done.byRegion.map(({ sha256, bytes }) => [sha256, bytes] as const),
  ] as const) {
    if (sha256 === "") continue;
    const transfer = { sha256, studyHash, round: finalRound, signal: shift.signal };
    await untilReached(shift, () => shift.out.fetch(transfer, Number(bytes)));
  }
  const review = await knownReview(shift.site.store, studyHash);
  if (review === undefined || (await networkFileOf(shift, studyHash, review)) === undefined) return undefined;
  return review.study.network.kind === "onnx" ? review.study.network.sha256 : undefined;
}

/** On to the next directive; where it is the one just answered, not at once. */
async function onward(shift: Shift, last: Directive, next: Directive): Promise<Next> {
  if (orderKey(next) !== orderKey(last)) return { kind: "next", directive: next };
  return pauseAndAsk(shift, DEFAULT_PAUSE_MS);
}

async function waitAndAsk(shift: Shift, reason: string, retryAfterMs: number): Promise<Next> {
  await shift.emit({ kind: "waiting", reason, retryAfterMs });
  return pauseAndAsk(shift, retryAfterMs);
}

async function pauseAndAsk(shift: Shift, ms: number): Promise<Next> {
  await rest(shift, ms);
  return { kind: "next", directive: await ask(shift) };
}

async function rest(shift: Shift, ms: number): Promise<void> {
  await shift.pause(Math.min(ms, shift.timing.pauseMs), shift.signal);
  shift.signal.throwIfAborted();
}
