/**
 * What must hold in every history of a federation, checked beside the product: updates are summed again with BigInt from
 * the bytes that were sent, the state is folded again from the journal's bytes (by the product's own steps), and what
 * sites were answered is kept as they heard it.
 */
import { fromBinary } from "@bufbuild/protobuf";
import { canonicalJson, type Json, type Sha256, sha256 } from "../../src/base/index.ts";
import {
  type CoordinatorEvent,
  type CoordinatorState,
  INITIAL_STATE,
  type RoundRecord,
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
  /** An answer that reached a site. */
  sawAnswer(siteId: string, request: SignedEnvelope, reply: SignedEnvelope): void;
  /** Sums, counts and the chain of models, over the whole study. */
  atTheEnd(state: CoordinatorState): void;
}

export interface CheckedFederation {
  readonly kept: CoordinatorDisk;
  readonly precisionBits: number;
  /** Training cases of each site: what its update weighs. */
  readonly cases: Readonly<Record<string, number>>;
}

export function createCheckers({ kept, precisionBits, cases }: CheckedFederation): Checkers {
  let folded = INITIAL_STATE;
  let read = 0;
  let last: Sha256 | undefined;
  let furthest = { round: 0, rounds: 0 };
  const accepted = new Map<string, Sha256>();
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
      const rounds = state.study?.rounds ?? [];
      let global = state.study?.initial.sha256;
      for (const [i, record] of rounds.entries()) {
        if (record.round !== i + 1) throw new Violation(`round ${record.round} stands in the place of round ${i + 1}`);
        if (record.global.sha256 !== global) throw new Violation(`round ${record.round} began from another model`);
        global = record.model.sha256;
        checkRound(record);
      }
      for (const [key, digest] of accepted) {
        const [siteId, , , round] = key.split(" ");
        const record = rounds[Number(round) - 1];
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
    const rounds = state.study?.rounds.length ?? 0;
    if (rounds < furthest.rounds || ("round" in state.phase && round < furthest.round)) {
      throw new Violation(
        `round ${furthest.round} with ${furthest.rounds} models was followed by ${round} with ${rounds}`,
      );
    }
    furthest = { round: Math.max(round, furthest.round), rounds };
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
    const digests = Object.fromEntries(sites.map((siteId) => [siteId, updates[siteId].sha256]));
    const expected = sha256(summedAgain(kept, global.sha256, digests, weights, precisionBits));
    if (expected !== model.sha256) throw new Violation(`round ${round}: its model is not the exact sum of its updates`);
  }
}

/** The state with its last two rounds: what came before is compared at the end. */
function recent(state: CoordinatorState): CoordinatorState {
  const { study } = state;
  return study === null ? state : { ...state, study: { ...study, rounds: study.rounds.slice(-2) } };
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
  updates: Readonly<Record<string, Sha256>>,
  weights: Readonly<Record<string, number>>,
  precisionBits: number,
): Uint8Array {
  const global = parametersFromSafetensors(archived(archive, globalSha256), "global model");
  const total = Object.values(weights).reduce((sum, weight) => sum + weight, 0);
  const sums = new Array<bigint>(global.layout.length).fill(0n);
  for (const [siteId, digest] of Object.entries(updates)) {
    const bytes = archived(archive, digest);
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

function archived(archive: CoordinatorDisk["archive"], digest: Sha256): Uint8Array {
  const bytes = archive.get(digest);
  if (bytes === undefined) throw new Violation(`object ${digest.slice(0, 12)} was counted, and never was`);
  return bytes;
}
