/**
 * A hospital's record of what was ever released about its patients with noise, over all studies, and the budget that
 * it set itself. The coordinator has no say in it.
 *
 * An entry holds a privacy event, never an epsilon: what the events amount to is reckoned anew from all of them each
 * time, so that a better accountant corrects the past too. Each line names the SHA-256 of the line before it; a line
 * removed or altered later breaks the chain (a removed tail shows only against a head that was kept elsewhere).
 *
 * Invariants:
 * - An entry is on disk before the work that it pays for starts: a crash in between costs budget, never hides work.
 * - Work is paid for once: the same work asked for again is answered from its entry; the same name for other work is
 *   refused. A site that starts again resends what it had noised, it never draws noise anew.
 * - Without a budget nothing that claims to be private is allowed. Refused work leaves no entry.
 * - Work without noise, which no epsilon bounds, is written down beside the account, and refused as soon as there is
 *   a budget: whoever set one does not want it.
 */
import { z } from "zod";
import { ConsiliumError, canonicalJson, type Json, type Sha256, sha256 } from "../base/index.ts";
import { type DpEvent, parseDpEvent } from "./accounting/dp-event.ts";
import { ACCOUNTANTS, type PrivacySpent, privacySpent } from "./accounting/epsilon.ts";

const START = "0".repeat(64);

const budgetSchema = z.strictObject({
  epsilon: z.number().positive(),
  delta: z.number().gt(0).lt(1),
  accountant: z.enum(ACCOUNTANTS),
});

/** What all noisy work together may amount to, for each patient of this hospital. */
export type PrivacyBudget = z.infer<typeof budgetSchema>;

/** One piece of work that releases something about patients. */
export interface NoisyWork {
  readonly studyHash: Sha256;
  readonly round: number;
  readonly attempt: number;
  readonly event: DpEvent;
}

const lineSchema = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("budget"),
    index: z.number().int().min(0),
    timeMs: z.number(),
    previous: z.string(),
    budget: budgetSchema,
  }),
  z.strictObject({
    kind: z.literal("work"),
    index: z.number().int().min(0),
    timeMs: z.number(),
    previous: z.string(),
    studyHash: z.string(),
    round: z.number().int().min(0),
    attempt: z.number().int().min(0),
    event: z.unknown(),
  }),
  z.strictObject({
    kind: z.literal("unprotected"),
    index: z.number().int().min(0),
    timeMs: z.number(),
    previous: z.string(),
    studyHash: z.string(),
    round: z.number().int().min(0),
  }),
]);

/** A round whose update left without noise. */
export interface UnprotectedWork {
  readonly studyHash: Sha256;
  readonly round: number;
}

export interface PrivacyLedger {
  /** The last that was set. */
  readonly budget: PrivacyBudget | undefined;
  readonly work: readonly NoisyWork[];
  readonly unprotected: readonly UnprotectedWork[];
  readonly entries: number;
  /** SHA-256 of the last line. */
  readonly head: Sha256;
}

/** @throws ConsiliumError `journal-corrupt` naming the first bad line, `privacy-event-unknown` for a newer version's. */
export function readLedger(lines: readonly string[]): PrivacyLedger {
  return lines.reduce<PrivacyLedger>(addLine, {
    budget: undefined,
    work: [],
    unprotected: [],
    entries: 0,
    head: START,
  });
}

function addLine(ledger: PrivacyLedger, line: string): PrivacyLedger {
  const where = `line ${ledger.entries + 1}`;
  const parsed = lineSchema.safeParse(parseJson(line, where));
  if (!parsed.success) throw broken(where, "an entry of this ledger", "something else");
  const { data } = parsed;
  if (data.index !== ledger.entries) throw broken(where, `entry ${ledger.entries}`, `entry ${data.index}`);
  if (data.previous !== ledger.head) throw broken(where, `the chain ${ledger.head}`, data.previous);
  const next = { ...ledger, entries: ledger.entries + 1, head: sha256(line) };
  if (data.kind === "budget") return { ...next, budget: data.budget };
  const { studyHash, round } = data;
  if (data.kind === "unprotected") return { ...next, unprotected: [...ledger.unprotected, { studyHash, round }] };
  const { attempt } = data;
  return { ...next, work: [...ledger.work, { studyHash, round, attempt, event: parseDpEvent(data.event) }] };
}

/** What all noisy work so far amounts to. @throws ConsiliumError as the accountants */
export function spentIn(ledger: PrivacyLedger, { delta, accountant }: Omit<PrivacyBudget, "epsilon">): PrivacySpent {
  return privacySpent({ kind: "composed", events: ledger.work.map(({ event }) => event) }, delta, accountant);
}

/**
 * The line that pays for work, or undefined where the work is paid for already.
 * @throws ConsiliumError `privacy-budget-unset`, `privacy-budget-exceeded`, `privacy-work-differs`
 */
export function lineForWork(ledger: PrivacyLedger, work: NoisyWork, timeMs: number): string | undefined {
  const event = parseDpEvent(work.event);
  const known = ledger.work.find((each) => nameOf(each) === nameOf(work));
  if (known !== undefined) {
    if (canonicalJson(known.event as unknown as Json) === canonicalJson(event as unknown as Json)) return undefined;
    throw new ConsiliumError("privacy-work-differs", {
      subject: nameOf(work),
      expected: "the work that this ledger has under that name",
      actual: "other noise, or another sample",
      hint: "The study asks again for what was done, in another way: refuse it and ask the study lead.",
    });
  }
  checkWithinBudget(ledger, event, nameOf(work));
  const { studyHash, round, attempt } = work;
  return chained(ledger, timeMs, { kind: "work", studyHash, round, attempt, event: event as unknown as Json });
}

/**
 * Whether more could be spent without exceeding the budget; spends nothing.
 * @throws ConsiliumError `privacy-budget-unset`, `privacy-budget-exceeded`
 */
export function checkWithinBudget(ledger: PrivacyLedger, more: DpEvent, subject: string): void {
  const { budget } = ledger;
  if (budget === undefined) {
    throw new ConsiliumError("privacy-budget-unset", {
      subject: "privacy ledger",
      expected: "a budget set by this hospital",
      actual: "none",
      hint: "Decide on an epsilon and a delta for all studies together: `consilium site budget`.",
    });
  }
  const past = ledger.work.map(({ event }) => event);
  const { epsilon } = privacySpent({ kind: "composed", events: [...past, more] }, budget.delta, budget.accountant);
  if (epsilon <= budget.epsilon) return;
  throw new ConsiliumError("privacy-budget-exceeded", {
    subject,
    expected: `at most epsilon ${budget.epsilon} at delta ${budget.delta} over all studies (accountant ${budget.accountant})`,
    actual: `epsilon ${Number.isFinite(epsilon) ? epsilon.toPrecision(4) : "without bound"} with this work`,
    hint: "Nothing was computed or sent. More noise, fewer rounds, or a decision of this hospital to raise its budget.",
  });
}

/**
 * The line that names a round without noise, or undefined where there is one.
 * @throws ConsiliumError `privacy-budget-exceeded` where this hospital set a budget
 */
export function lineForUnprotected(ledger: PrivacyLedger, work: UnprotectedWork, timeMs: number): string | undefined {
  const { studyHash, round } = work;
  if (ledger.unprotected.some((each) => each.studyHash === studyHash && each.round === round)) return undefined;
  if (ledger.budget !== undefined) checkWithinBudget(ledger, { kind: "nonPrivate" }, nameOf({ ...work, attempt: 0 }));
  return chained(ledger, timeMs, { kind: "unprotected", studyHash, round });
}

/** The line that sets a budget. It may be below what is spent: then nothing more is allowed. */
export function lineForBudget(ledger: PrivacyLedger, budget: PrivacyBudget, timeMs: number): string {
  const parsed = budgetSchema.safeParse(budget);
  if (parsed.success) return chained(ledger, timeMs, { kind: "budget", budget: parsed.data });
  throw new ConsiliumError("privacy-parameters", {
    subject: "privacy budget",
    expected: "a positive epsilon, a delta between 0 and 1, and an accountant",
    actual: `epsilon ${budget.epsilon}, delta ${budget.delta}, accountant ${budget.accountant}`,
    hint: "Correct the budget.",
  });
}

function chained({ entries, head }: PrivacyLedger, timeMs: number, entry: { readonly [key: string]: Json }): string {
  return canonicalJson({ ...entry, index: entries, timeMs, previous: head });
}

/** Where a ledger is kept: one append-only log of a site's store. */
export interface LedgerStore {
  /** Resolves once the line is on disk. */
  append(log: string, line: string): Promise<void>;
  lines(log: string): Promise<string[]>;
}

export const PRIVACY_LEDGER = "privacy-ledger";

export interface OpenLedger {
  /** Pays for work; the work may start once this resolves. Calls are answered in their order. */
  pay(work: NoisyWork, timeMs: number): Promise<void>;
  /** Writes down a round without noise, before its work starts. @throws ConsiliumError `privacy-budget-exceeded` */
  noteUnprotected(work: UnprotectedWork, timeMs: number): Promise<void>;
  setBudget(budget: PrivacyBudget, timeMs: number): Promise<void>;
  current(): PrivacyLedger;
}

/** @throws ConsiliumError `journal-corrupt` */
export async function openPrivacyLedger(store: LedgerStore): Promise<OpenLedger> {
  let ledger = readLedger(await store.lines(PRIVACY_LEDGER));
  let queue: Promise<void> = Promise.resolve();
  /** After a failed write nobody knows what is on disk: the ledger must be read again before more is paid. */
  let failure: { readonly cause: unknown } | undefined;
  const inTurn = (lineFor: () => string | undefined): Promise<void> => {
    const done = queue.then(async () => {
      if (failure !== undefined) throw failure.cause;
      const line = lineFor();
      if (line === undefined) return;
      await store.append(PRIVACY_LEDGER, line).catch((cause: unknown) => {
        failure = { cause };
        throw cause;
      });
      ledger = addLine(ledger, line);
    });
    queue = done.catch(() => undefined);
    return done;
  };
  return {
    pay: (work, timeMs) => inTurn(() => lineForWork(ledger, work, timeMs)),
    noteUnprotected: (work, timeMs) => inTurn(() => lineForUnprotected(ledger, work, timeMs)),
    setBudget: (budget, timeMs) => inTurn(() => lineForBudget(ledger, budget, timeMs)),
    current: () => ledger,
  };
}

function nameOf({ studyHash, round, attempt }: Omit<NoisyWork, "event">): string {
  return `study ${studyHash.slice(0, 12)}, round ${round}, attempt ${attempt}`;
}

function parseJson(line: string, where: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    throw broken(where, "an entry of this ledger", "something else");
  }
}

function broken(where: string, expected: string, actual: string): ConsiliumError {
  return new ConsiliumError("journal-corrupt", {
    subject: `the privacy ledger, ${where}`,
    expected,
    actual,
    hint: "The ledger was altered or damaged: take part in nothing until it is compared with a backup.",
  });
}
