/**
 * What a site at work holds in its hands, and the few things it does over and over: saying something until it is
 * heard, pausing, and giving signs of life while long work runs.
 */
import {
  type Clock,
  ConsiliumError,
  createRandom,
  type ErrorCode,
  LIMITS,
  type Random,
  systemClock,
} from "../base/index.ts";
import { type OpenLedger, openPrivacyLedger } from "../privacy/index.ts";
import { type CoordinatorLink, type Directive, errorFromRecord, type Verdict } from "../protocol/index.ts";
import { createEngine, type Engine, type OpenWork } from "./engine.ts";
import type { SiteEvent } from "./events.ts";
import type { Site } from "./home.ts";
import { type Answer, type Outgoing, type OutgoingMessage, openOutgoing } from "./outgoing.ts";
import { refusedReview } from "./reviews.ts";
import { type RegisteredData, readRegisteredData, trainingCases, validationCases } from "./site-data.ts";
import type { Erased } from "./site-store.ts";
import { hearNews } from "./study-news.ts";

export interface Timing {
  readonly heartbeatMs: number;
  readonly pauseMs: number;
  readonly backoffMinMs: number;
  readonly backoffMaxMs: number;
}

export const USUAL_TIMING: Timing = {
  heartbeatMs: LIMITS.siteHeartbeatMs,
  pauseMs: LIMITS.sitePauseMs,
  backoffMinMs: LIMITS.siteBackoffMinMs,
  backoffMaxMs: LIMITS.siteBackoffMaxMs,
};

/** Resolves after so many milliseconds, or as soon as the signal is aborted. */
export type Pause = (ms: number, signal: AbortSignal) => Promise<void>;

export interface ShiftOptions {
  readonly site: Site;
  readonly link: CoordinatorLink;
  readonly productVersion: string;
  /** Absent where a shift only speaks and never works. */
  readonly openWork?: OpenWork;
  readonly clock?: Clock;
  /** How an idle site waits; real time unless given. */
  readonly pause?: Pause;
  /** How long work is watched and an unreachable coordinator waited for; real time unless given. */
  readonly wait?: Pause;
  readonly timing?: Partial<Timing>;
  /** `none`: an unreachable coordinator is an error at once, and not waited for. */
  readonly patience?: "endless" | "none";
  /** Removes the prepared cases that the engine kept on disk; nothing unless given. */
  readonly eraseCaches?: () => Promise<Erased>;
  /** Awaited, so that a listener may decide a study before the site goes on. */
  readonly onEvent?: (event: SiteEvent) => void | Promise<void>;
  readonly signal?: AbortSignal;
}

export interface Shift {
  readonly site: Site;
  readonly out: Outgoing;
  readonly engine: Engine;
  readonly ledger: OpenLedger;
  readonly clock: Clock;
  readonly timing: Timing;
  /** An idle site waits by this; simulations wake it when something happened. */
  readonly pause: Pause;
  /** Heartbeats and pauses between tries run by this. */
  readonly wait: Pause;
  readonly productVersion: string;
  /** Counts of what is registered, where they may be told; nobody registers while a site works, which holds the home's lock. */
  readonly data: DataCounts | undefined;
  readonly patience: "endless" | "none";
  readonly signal: AbortSignal;
  readonly emit: (event: SiteEvent) => Promise<void>;
  readonly jitter: Random;
  /** What the operator was told already and need not hear at every question. */
  readonly told: Set<string>;
  readonly eraseCaches: () => Promise<Erased>;
  /** The coordinator's clock less this machine's, as its last answer told. */
  readonly coordinatorClock: { offsetMs: number };
}

export interface Progress {
  readonly activity: "idle" | "surveying" | "training" | "evaluating" | "sending";
  readonly done: number;
  readonly total: number;
}

const IDLE: Progress = { activity: "idle", done: 0, total: 0 };

/** How an order ended: with the coordinator's next words, or without them. */
export type Worked<T> =
  | { readonly kind: "finished"; readonly value: T }
  /** The coordinator asks for something else meanwhile. */
  | { readonly kind: "withdrawn"; readonly directive: Directive };

/** Errors that no second try mends: the site stops, says why, and goes on from its state when started again. */
const ENDS_THE_SHIFT: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "interrupted",
  "disk-full",
  "folder-not-writable",
  "home-invalid",
  "home-locked",
  "journal-corrupt",
  "journal-rolled-back",
  "certificate-untrusted",
  "certificate-expired",
  "signature-invalid",
  "message-replayed",
  "protocol-version",
  "sealing-refused",
  "sealing-invalid",
  "site-unknown",
  "site-revoked",
]);

export function endsTheShift(error: unknown): boolean {
  return !(error instanceof ConsiliumError) || ENDS_THE_SHIFT.has(error.code);
}

export function isUnreachable(error: unknown): boolean {
  return error instanceof ConsiliumError && error.code === "unreachable";
}

const realPause: Pause = (ms, signal) =>
  new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const timer = setTimeout(finish, ms);
    signal.addEventListener("abort", finish, { once: true });
    function finish(): void {
      clearTimeout(timer);
      signal.removeEventListener("abort", finish);
      resolve();
    }
  });

export async function startShift(options: ShiftOptions): Promise<Shift> {
  const {
    site,
    link,
    productVersion,
    onEvent,
    timing,
    pause = realPause,
    wait = realPause,
    clock = systemClock,
  } = options;
  return {
    site,
    out: await openOutgoing(site, link, clock),
    engine: createEngine(options.openWork ?? noWork),
    ledger: await openPrivacyLedger(site.store),
    clock,
    timing: { ...USUAL_TIMING, ...timing },
    pause,
    wait,
    productVersion,
    data: countsOf(await readRegisteredData(site.store)),
    patience: options.patience ?? "endless",
    signal: options.signal ?? new AbortController().signal,
    emit: async (event) => onEvent?.(event),
    jitter: createRandom("backoff", site.siteId, clock.nowMs()),
    told: new Set(),
    eraseCaches: options.eraseCaches ?? (async () => ({ files: 0, bytes: 0 })),
    coordinatorClock: { offsetMs: 0 },
  };
}

interface DataCounts {
  readonly trainingCases: number;
  readonly validationCases: number;
  readonly channels: readonly string[];
  readonly labelConvention: string;
}

function countsOf(data: RegisteredData | undefined): DataCounts | undefined {
  if (data === undefined || data.privateCounts) return undefined;
  return {
    trainingCases: trainingCases(data).length,
    validationCases: validationCases(data).length,
    channels: [...new Set(data.cases.flatMap(({ images }) => Object.keys(images)))].sort(),
    labelConvention: data.convention,
  };
}

const noWork: OpenWork = () => {
  throw new ConsiliumError("internal", {
    subject: "a conversation without work",
    expected: "no order for work",
    actual: "one",
    hint: "This is a defect: please report it.",
  });
};

/** Tries until the coordinator was reached, with growing pauses; it does not give up, and says that it waits. */
export async function untilReached<T>(shift: Shift, call: () => Promise<T>, signal = shift.signal): Promise<T> {
  const { backoffMinMs, backoffMaxMs } = shift.timing;
  for (let attempt = 1; ; attempt++) {
    signal.throwIfAborted();
    try {
      return await call();
    } catch (error) {
      signal.throwIfAborted();
      if (!isUnreachable(error) || shift.patience === "none") throw error;
      const longest = Math.min(backoffMaxMs, backoffMinMs * 2 ** Math.min(attempt - 1, 30));
      const retryInMs = Math.round(longest * shift.jitter.between(0.5, 1));
      await shift.emit({ kind: "unreachable", attempt, retryInMs, error: error as ConsiliumError });
      await shift.wait(retryInMs, signal);
    }
  }
}

/** Says something until it is answered. */
export function say(shift: Shift, message: OutgoingMessage): Promise<Answer> {
  return untilReached(shift, () => shift.out.say(message));
}

/** Asks what to do. */
export async function ask(shift: Shift, progress: Progress = IDLE): Promise<Directive> {
  const expiresMs = await untilReached(shift, () => shift.out.renewIfDue());
  if (expiresMs !== undefined) await shift.emit({ kind: "certificate-renewed", expiresMs });
  return (await untilReached(shift, () => askOnce(shift, progress))).directive;
}

async function askOnce(shift: Shift, progress: Progress): Promise<Answer> {
  const { clock, productVersion, out, data } = shift;
  const answer = await out.say({
    what: "sign of life",
    studyHash: "",
    round: 0,
    attempt: 0,
    kind: {
      case: "poll",
      value: {
        productVersion,
        siteTimeMs: BigInt(clock.nowMs()),
        activity: progress.activity,
        stepsDone: progress.done,
        stepsTotal: progress.total,
        ...(data && { data: { ...data, channels: [...data.channels] } }),
      },
    },
  });
  shift.coordinatorClock.offsetMs = answer.clockOffsetMs;
  await tellClock(shift, answer.clockOffsetMs);
  return answer;
}

/** Once a shift: certificates and deadlines hold by the coordinator's clock. */
async function tellClock({ told, emit }: Shift, offsetMs: number): Promise<void> {
  if (Math.abs(offsetMs) <= LIMITS.clockOffsetToldMs || told.has("clock")) return;
  told.add("clock");
  await emit({ kind: "clock-differs", offsetMs });
}

/** Which order a directive is; two of the same key ask for the same work. */
export function orderKey({ kind }: Directive): string {
  switch (kind.case) {
    case "train":
      return `train ${kind.value.studyHash} ${kind.value.round} ${kind.value.attempt} ${kind.value.globalSha256}`;
    case "evaluate":
      return `evaluate ${kind.value.studyHash} ${kind.value.round} ${kind.value.attempt} ${kind.value.modelSha256}`;
    case "crossEvaluate": {
      const { studyHash, round, attempt, ofSite, updateSha256 } = kind.value;
      return `cross-evaluate ${studyHash} ${round} ${attempt} ${ofSite} ${updateSha256}`;
    }
    case "survey":
      return `survey ${kind.value.studyHash} ${kind.value.attempt}`;
    case "masking":
      return `masking ${kind.value.studyHash} ${kind.value.round} ${kind.value.step}`;
    case "review":
    case "done":
    case "failed":
      return `${kind.case} ${kind.value.studyHash}`;
    default:
      return kind.case ?? "nothing";
  }
}

/** Which work a directive is, whatever try at it: failures are counted by this. */
export function workKey({ kind }: Directive): string {
  if (kind.case === "masking") return `masking ${kind.value.studyHash} ${kind.value.round} ${kind.value.step}`;
  if (kind.case === "survey") return `survey ${kind.value.studyHash}`;
  if (kind.case === "crossEvaluate") {
    return `cross-evaluate ${kind.value.studyHash} ${kind.value.round} ${kind.value.ofSite}`;
  }
  if (kind.case !== "train" && kind.case !== "evaluate") return kind.case ?? "nothing";
  return `${kind.case} ${kind.value.studyHash} ${kind.value.round}`;
}

/** How far work is, as the coordinator is told it, and as the site's own operator is. */
export type Report = (done: number, total: number, event?: SiteEvent & { readonly kind: "progress" }) => void;

/**
 * Runs long work for an order while telling the coordinator, at every heartbeat, how far it is. Where the answer no
 * longer asks for this order, the work is stopped and its result never leaves.
 *
 * An unreachable coordinator does not stop the work; that is told when the work is done and is to be sent.
 *
 * @param onAnswer hears the order as each answer repeats it: its deadline may be another.
 * @throws what the work throws, and what a listener to its progress does
 */
export async function withSignsOfLife<T>(
  shift: Shift,
  order: Directive,
  activity: Progress["activity"],
  work: (report: Report, signal: AbortSignal) => Promise<T>,
  onAnswer?: (order: Directive) => void,
): Promise<Worked<T>> {
  const stopWork = new AbortController();
  const signal = AbortSignal.any([shift.signal, stopWork.signal]);
  let progress: Progress = { activity, done: 0, total: 0 };
  let endWork: (error: unknown) => void = () => undefined;
  const unheard = new Promise<never>((_, reject) => {
    endWork = reject;
  });
  let told: Promise<unknown> = Promise.resolve();
  const report: Report = (done, total, event) => {
    progress = { activity, done, total };
    if (event === undefined) return;
    told = Promise.all([told, shift.emit(event)]).then(() => undefined);
    told.catch(endWork);
  };
  const worked = work(report, signal).then(async (value) => {
    await told;
    return { kind: "finished", value } as const;
  });
  const running = Promise.race([worked, unheard]);
  running.catch(() => undefined);
  try {
    for (;;) {
      const outcome = await firstOf(running, shift);
      shift.signal.throwIfAborted();
      if (outcome !== undefined) return outcome;
      if ((await refusedReview(shift.site.store, order)) !== undefined) return { kind: "withdrawn", directive: order };
      const directive = await currentDirective(shift, progress);
      if (directive !== undefined) await hearNews(shift, directive);
      if (directive !== undefined && orderKey(directive) !== orderKey(order)) return { kind: "withdrawn", directive };
      if (directive !== undefined) onAnswer?.(directive);
    }
  } finally {
    stopWork.abort();
  }
}

/** The work's result, or undefined where a heartbeat is due before. */
async function firstOf<T>(running: Promise<T>, { wait, timing, signal }: Shift): Promise<T | undefined> {
  const timer = new AbortController();
  const either = AbortSignal.any([signal, timer.signal]);
  try {
    return await Promise.race([running, wait(timing.heartbeatMs, either).then(() => undefined)]);
  } finally {
    timer.abort();
  }
}

async function currentDirective(shift: Shift, progress: Progress): Promise<Directive | undefined> {
  try {
    return (await askOnce(shift, progress)).directive;
  } catch (error) {
    if (!isUnreachable(error)) throw error;
    await shift.emit({
      kind: "unreachable",
      attempt: 1,
      retryInMs: shift.timing.heartbeatMs,
      error: error as ConsiliumError,
    });
    return undefined;
  }
}

/**
 * Tells the operator what was not accepted.
 *
 * @throws ConsiliumError where the coordinator no longer knows this site, or knows a later copy of its home
 */
export async function tellVerdict(shift: Shift, what: string, verdict: Verdict): Promise<void> {
  if (verdict.outcome === "accepted") return;
  const error = errorFromRecord(verdict);
  if (["message-replayed", "site-unknown", "site-revoked"].includes(error.code)) throw error;
  await shift.emit({ kind: "not-accepted", what, outcome: verdict.outcome, error });
}
