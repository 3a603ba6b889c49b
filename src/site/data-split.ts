/**
 * Which of a site's cases train and which validate: 80 to 20, drawn by subject, so that two scans of one person never
 * stand on both sides, and never drawn anew for a subject that has its side: a case that a model was trained on must
 * not validate a later one.
 *
 * Invariants
 * - The result depends only on the seed, the earlier split and the set of subjects: not on the order of files.
 * - With fewer than five cases everything trains, and the site has no figures of its own; those cases keep training
 *   when more arrive.
 * - A subject that vanished keeps its side in the record, for the day it returns.
 * - A case that is said to be another subject's than before takes its side along (`carryOver`).
 */
import { createRandom } from "../base/index.ts";

export type Side = "training" | "validation";

/** Subject to side. Never leaves the site's home. */
export type SplitRecord = Readonly<Record<string, Side>>;

export interface SplitCase {
  readonly subject: string;
}

const VALIDATION_SHARE = 0.2;
const CASES_TO_VALIDATE = 5;

/** The sides of every subject of `cases` and of `earlier`, by the earlier record first. */
export function splitBySubject(cases: readonly SplitCase[], seed: number, earlier: SplitRecord = {}): SplitRecord {
  const present = [...new Set(cases.map(({ subject }) => subject))].sort();
  const fresh = present.filter((subject) => !Object.hasOwn(earlier, subject));
  const validating = present.filter((subject) => sideOf(earlier, subject) === "validation").length;
  const wanted = cases.length < CASES_TO_VALIDATE ? 0 : validationSubjects(present.length);
  const drawn = createRandom("split", seed, Object.keys(earlier).length)
    .shuffled(fresh)
    .slice(0, Math.max(0, wanted - validating));
  const record: [string, Side][] = fresh.map((subject) => [
    subject,
    drawn.includes(subject) ? "validation" : "training",
  ]);
  return Object.fromEntries([...Object.entries(earlier), ...record].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** A case as a split knows it. */
export interface NamedCase extends SplitCase {
  readonly id: string;
}

/**
 * The earlier record with the sides of subjects that are new in name only: those whose cases stood under another
 * subject before, as when a table of patients is added to a dataset. A subject whose cases stood on both sides trains:
 * a model has seen it.
 */
export function carryOver(earlier: SplitRecord, before: readonly NamedCase[], now: readonly NamedCase[]): SplitRecord {
  const sideOfCase = new Map(before.map(({ id, subject }) => [id, sideOf(earlier, subject)]));
  const carried = new Map<string, Side>();
  for (const { id, subject } of now) {
    const side = sideOfCase.get(id);
    if (side === undefined || Object.hasOwn(earlier, subject)) continue;
    if (side === "training" || !carried.has(subject)) carried.set(subject, side);
  }
  return Object.fromEntries([...Object.entries(earlier), ...carried]);
}

/** One fifth, to the nearest subject, at least one; and of a single subject none. */
function validationSubjects(subjects: number): number {
  return subjects < 2 ? 0 : Math.max(1, Math.round(VALIDATION_SHARE * subjects));
}

/** The cases of one side, in the order given. */
export function casesOf<C extends SplitCase>(cases: readonly C[], record: SplitRecord, side: Side): C[] {
  return cases.filter(({ subject }) => sideOf(record, subject) === side);
}

function sideOf(record: SplitRecord, subject: string): Side | undefined {
  return Object.hasOwn(record, subject) ? record[subject] : undefined;
}
