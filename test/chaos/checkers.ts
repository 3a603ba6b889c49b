/**
 * What must hold in every history of a federation, checked beside the product: updates are summed again with BigInt from
 * the bytes that were sent (of masked rounds from those that sites made before they masked them), the state is folded again from the journal's bytes (by the product's own steps), and what
 * sites were answered is kept as they heard it.
 */
import { fromBinary } from "@bufbuild/protobuf";
import { canonicalJson, type Json, type Sha256, sha256 } from "../../src/base/index.ts";
import {
  type CoordinatorEvent,
  type CoordinatorState,
  INITIAL_STATE,
  type RoundRecord,
  roundCount,
  roundsOf,
  step,
} from "../../src/coordinator/index.ts";
import { type Parameters, parametersFromSafetensors, parametersToSafetensors } from "../../src/graph/index.ts";
import { CoordinatorMessageSchema, type SignedEnvelope, SiteMessageSchema } from "../../src/protocol/index.ts";
import type { CoordinatorDisk } from "./memory-stores.ts";

/** The first thing that did not hold. */
export class Violation extends Error {}

export interface Checkers {
  /** The state of a coordinator that started: what all records lead to. */
  sawStart(state: CoordinatorState): void;
  /** The state after an event, which is one record more; records of later events may be there already. */
  sawEvent(state: CoordinatorState): void;
  /** An update that a site made, before it is masked where it is. */
  sawUpdate(siteId: string, made: MadeUpdate): void;
  /** An answer that reached a site. */
  sawAnswer(siteId: string, request: SignedEnvelope, reply: SignedEnvelope): void;
  /** Sums, counts and the chain of models, over the whole study. */
  atTheEnd(state: CoordinatorState): void;
}

/** The update of a round from a model, as it lies at the site. */
export interface MadeUpdate {
  readonly round: number;
  readonly globalSha256: Sha256;
  readonly bytes: Uint8Array;
}

export interface CheckedFederation {
  readonly kept: CoordinatorDisk;
  readonly precisionBits: number;
  /** The fewest sites that a masked sum is made of; absent where sums are not masked. */
  readonly threshold?: number;
  /** Training cases of each site: what its update weighs. */
  readonly cases: Readonly<Record<string, number>>;
}

export function createCheckers({ kept, precisionBits, cases, threshold }: CheckedFederation): Checkers {
  let folded = INITIAL_STATE;
  let read = 0;
  let last: Sha256 | undefined;
  let furthest = { round: 0, rounds: 0 };
  const accepted = new Map<string, Sha256>();
  const made = new Map<string, Uint8Array>();
  return {
    sawStart(state) {
      // A journal that lost what was read is folded anew: that it did shows in the rounds.
      if (kept.records[read - 1]?.head.sha256 !== last) [folded, read] = [INITIAL_STATE, 0];
      while (read < kept.records.length) foldNext();
      checkState(state);
    },
    sawEvent(state) {
      if (read < kept.records.length) foldNext();
      checkState(state);
    },
    sawUpdate(siteId, { round, globalSha256, bytes }) {
      const key = `${siteId} in round ${round} from ${globalSha256}`;
      const before = made.get(key);
      if (before !== undefined && sha256(before) !== sha256(bytes)) throw new Violation(`${key} was trained otherwise`);
      made.set(key, bytes);
    },
    sawAnswer(siteId, request, reply) {
      const { kind } = fromBinary(SiteMessageSchema, request.body);
      if (kind.case !== "update") return;
      const { verdict } = fromBinary(CoordinatorMessageSchema, reply.body);
      if (verdict?.outcome !== "accepted") return;
      const key = `${siteId} in round ${kind.value.round}`;
      if (accepted.has(key)) throw new Violation(`the update of ${key} was accepted twice: the first was lost`);
      accepted.set(key, kind.value.updateSha256);
    },
    atTheEnd(state) {
      if (textOf(state) !== textOf(folded)) throw new Violation("the last state is not what the records lead to");
      const rounds = roundsOf(state.study);
      let global = state.study?.initial.sha256;
      const failed = state.study?.failedRounds?.map(({ round }) => round) ?? [];
      const numbers = [...rounds.map(({ round }) => round), ...failed].sort((a, b) => a - b);
      if (numbers.some((number, i) => number !== i + 1))
        throw new Violation(`rounds are numbered ${numbers.join(", ")}`);
      if (threshold !== undefined) checkOpened(state, threshold);
      for (const record of rounds) {
        if (record.global.sha256 !== global) throw new Violation(`round ${record.round} began from another model`);
        global = record.model.sha256;
        checkRound(record);
      }
      for (const [key, digest] of accepted) {
        const [siteId, , , round] = key.split(" ");
        const record = rounds.find((each) => each.round === Number(round));
        if (record !== undefined && record.updates[siteId]?.sha256 !== digest) {
          throw new Violation(`the update of ${key} was accepted, and is not in the round`);
        }
      }
    },
  };

  function foldNext(): void {
    const { body, head } = kept.records[read++];
    folded = step(folded, JSON.parse(body) as CoordinatorEvent).state;
    last = head.sha256;
  }

  function checkState(state: CoordinatorState): void {
    if (textOf(recent(state)) !== textOf(recent(folded))) {
      throw new Violation(`the state is not what ${read} records lead to`);
    }
    const round = "round" in state.phase ? state.phase.round : 0;
    const rounds = roundCount(state.study);
    if (rounds < furthest.rounds || ("round" in state.phase && round < furthest.round)) {
      throw new Violation(
        `round ${furthest.round} with ${furthest.rounds} models was followed by ${round} with ${rounds}`,
      );
    }
    furthest = { round: Math.max(round, furthest.round), rounds };
  }

  /** The bytes that a site's part of a round comes to: masked, they were never sent. */
  function countedOf(siteId: string, round: number, global: RoundRecord["global"], updates: RoundRecord["updates"]) {
    const { sha256: sent } = updates[siteId];
    if (threshold === undefined) return archived(kept.archive, sent);
    const bytes = made.get(`${siteId} in round ${round} from ${global.sha256}`);
    if (bytes === undefined) throw new Violation(`round ${round} counts an update that ${siteId} never made`);
    return bytes;
  }

  /** A masked sum is that of a threshold of sites and became a model, or nothing of its round was opened. */
  function checkOpened({ study, phase }: CoordinatorState, least: number): void {
    const rounds = roundsOf(study);
    for (const [round, sites] of revealed(kept)) {
      const record = rounds.find((each) => each.round === round);
      if (record !== undefined && Object.keys(record.updates).length < least) {
        throw new Violation(`round ${round} is a sum of ${Object.keys(record.updates).join(", ")}`);
      }
      const ended = phase.kind === "done" || phase.kind === "failed";
      const isLast = !rounds.some((each) => each.round > round);
      if (record === undefined && !(ended && isLast)) {
        throw new Violation(`round ${round} was opened by ${[...sites].join(", ")}, and the study went on without it`);
      }
    }
    for (const [key, bytes] of made) {
      if (kept.archive.has(sha256(bytes))) throw new Violation(`the update of ${key} came without its mask`);
    }
  }

  function checkRound({ round, updates, shares, totalWeight, global, model, leftOut }: RoundRecord): void {
    const counted = shares.map(({ siteId }) => siteId);
    const sites = Object.keys(updates).sort();
    if (canonicalJson([...counted].sort()) !== canonicalJson(sites)) {
      throw new Violation(`round ${round} has updates of ${sites.join(", ")} and counts ${counted.join(", ")}`);
    }
    if (leftOut.some(({ siteId }) => sites.includes(siteId)))
      throw new Violation(`round ${round} leaves out who is in`);
    const weights = Object.fromEntries(sites.map((siteId) => [siteId, cases[siteId]]));
    if (totalWeight !== Object.values(weights).reduce((sum, weight) => sum + weight, 0)) {
      throw new Violation(`round ${round} weighs ${totalWeight}`);
    }
    const counts = Object.fromEntries(sites.map((siteId) => [siteId, countedOf(siteId, round, global, updates)]));
    const expected = sha256(summedAgain(kept, global.sha256, counts, weights, precisionBits));
    if (expected !== model.sha256) throw new Violation(`round ${round}: its model is not the exact sum of its updates`);
  }
}

/** Who revealed shares in each round, as the journal has it. */
function revealed({ records }: CoordinatorDisk): Map<number, Set<string>> {
  const byRound = new Map<number, Set<string>>();
  for (const { body } of records) {
    const event = JSON.parse(body) as CoordinatorEvent;
    if (event.kind !== "masking-received" || event.step !== "reveal") continue;
    byRound.set(event.round, (byRound.get(event.round) ?? new Set()).add(event.siteId));
  }
  return byRound;
}

/** The state with its last two rounds: what came before is compared at the end. */
function recent(state: CoordinatorState): CoordinatorState {
  const { study } = state;
  return study === null ? state : { ...state, study: { ...study, settled: study.settled.slice(-1) } };
}

function textOf(state: CoordinatorState): string {
  return canonicalJson(state as unknown as Json);
}

/**
 * The model of a round by integers of any size: global + scale * (sum of weight * coordinate / total weight), where the
 * scale of a tensor is the least power of two not below its largest magnitude (at least 16) over 2^(bits - 1).
 * @returns the model's file
 */
export function summedAgain(
  { archive }: CoordinatorDisk,
  globalSha256: Sha256,
  updates: Readonly<Record<string, Uint8Array>>,
  weights: Readonly<Record<string, number>>,
  precisionBits: number,
): Uint8Array {
  const global = parametersFromSafetensors(archived(archive, globalSha256), "global model");
  const total = Object.values(weights).reduce((sum, weight) => sum + weight, 0);
  const sums = new Array<bigint>(global.layout.length).fill(0n);
  for (const [siteId, bytes] of Object.entries(updates)) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (let i = 0; i < sums.length; i++) sums[i] += BigInt(weights[siteId]) * BigInt(view.getInt32(4 * i, true));
  }
  const data = new Float32Array(sums.length);
  for (const { offset, length } of global.layout.entries) {
    const largest = global.data
      .subarray(offset, offset + length)
      .reduce((max, value) => Math.max(max, Math.abs(value)), 16);
    const scale = 2 ** Math.ceil(Math.log2(largest)) / 2 ** (precisionBits - 1);
    for (let i = offset; i < offset + length; i++) data[i] = global.data[i] + scale * (Number(sums[i]) / total);
  }
  const summed: Parameters = { layout: global.layout, data };
  return parametersToSafetensors(summed);
}

export function archived(archive: CoordinatorDisk["archive"], digest: Sha256): Uint8Array {
  const bytes = archive.get(digest);
  if (bytes === undefined) throw new Violation(`object ${digest.slice(0, 12)} was counted, and never was`);
  return bytes;
}
