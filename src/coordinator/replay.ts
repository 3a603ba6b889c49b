/**
 * Aggregation again, from the journal and the objects that are kept: for every round that became a model, whether the
 * same updates give the same bytes, total weight and shares.
 *
 * Nothing is changed, and the coordinator may run meanwhile. What the study's `retain` let go of cannot be summed: such
 * rounds are named, never passed over.
 */
import { join } from "node:path";
import { ConsiliumError, canonicalJson, type Json, type Sha256, sha256 } from "../base/index.ts";
import { sumUpdates } from "./aggregate.ts";
import type { RoundAggregated } from "./events.ts";
import { readHome } from "./home.ts";
import { openJournal } from "./journal.ts";
import { corrupt } from "./journal-database.ts";
import { type ObjectStore, openObjectStore } from "./object-store.ts";
import { type CoordinatorState, INITIAL_STATE } from "./state.ts";
import { takenAgain } from "./take-again.ts";

export interface ReplayedRound {
  readonly study: string;
  readonly studyHash: Sha256;
  readonly round: number;
  /** As the journal says. */
  readonly modelSha256: Sha256;
  readonly outcome: "equal" | "different" | "unchecked";
  /** What differs, or why it could not be checked; empty where it is equal. */
  readonly why: string;
}

export interface Replay {
  readonly records: number;
  readonly rounds: readonly ReplayedRound[];
}

/** @throws ConsiliumError `home-invalid`, `journal-corrupt`, `journal-version` */
export async function replayAggregates(home: string, onRound?: (round: ReplayedRound) => void): Promise<Replay> {
  await readHome(home);
  const journal = await openJournal(join(home, "journal.db"), "read");
  try {
    const store = await openObjectStore(join(home, "objects"));
    const rounds: ReplayedRound[] = [];
    let state = INITIAL_STATE;
    await journal.replay(async (event, { number }) => {
      if (event.kind === "round-aggregated") {
        const replayed = await replayRound(state, event, store, number);
        rounds.push(replayed);
        onRound?.(replayed);
      }
      state = takenAgain(state, event, number);
    });
    return { records: journal.head().number, rounds };
  } finally {
    journal.close();
  }
}

async function replayRound(
  state: CoordinatorState,
  event: RoundAggregated,
  store: ObjectStore,
  number: number,
): Promise<ReplayedRound> {
  const { phase, study } = state;
  if (phase.kind !== "aggregating" || phase.round !== event.round || study === null) {
    throw corrupt(`record ${number}`, "the aggregate of a round that is closed", `one in the ${phase.kind} phase`);
  }
  const about = { study: study.study.name, studyHash: study.hash, round: event.round, modelSha256: event.model.sha256 };
  const gone = await missingObjects(state, store);
  if (gone.length > 0) return { ...about, outcome: "unchecked", why: `not kept: ${gone.join(", ")}` };
  try {
    const why = differences(event, await sumUpdates(state, store));
    return { ...about, outcome: why === "" ? "equal" : "different", why };
  } catch (error) {
    // A kept object that is not what it was, or a sum that cannot be made from what is there: the round is not borne out.
    if (!(error instanceof ConsiliumError)) throw error;
    return { ...about, outcome: "different", why: `${error.subject}: expected ${error.expected}, got ${error.actual}` };
  }
}

async function missingObjects({ phase }: CoordinatorState, store: ObjectStore): Promise<string[]> {
  if (phase.kind !== "aggregating") return [];
  const updates = Object.entries(phase.updates).sort(([a], [b]) => (a < b ? -1 : 1));
  const wanted = [
    ["the model that it started from", phase.global.sha256] as const,
    ...updates.map(([siteId, { sha256 }]) => [`the update of ${siteId}`, sha256] as const),
  ];
  const gone: string[] = [];
  for (const [what, object] of wanted) if ((await store.sizeOf(object)) === undefined) gone.push(what);
  return gone;
}

function differences(event: RoundAggregated, again: Awaited<ReturnType<typeof sumUpdates>>): string {
  const model = sha256(again.model);
  const found: string[] = [];
  if (model !== event.model.sha256) found.push(`the sum is model ${model.slice(0, 12)}`);
  if (again.totalWeight !== event.totalWeight) found.push(`the total weight is ${again.totalWeight}`);
  if (canonical(again.shares) !== canonical(event.shares)) found.push("shares of sites are others");
  if (canonical(again.figures ?? null) !== canonical(event.figures ?? null)) found.push("summed figures are others");
  if (again.clipNorm !== event.clipNorm) found.push("the next clip norm is another");
  return found.join("; ");
}

function canonical(value: unknown): string {
  return canonicalJson(value as Json);
}
