import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { canonicalJson, createRandom, type Json, sha256 } from "../base/index.ts";
import type { CoordinatorEvent } from "./events.ts";
import { packColumn, unpackColumn } from "./pack-columns.ts";
import type { RoundRecord, UpdateRecord } from "./records.ts";
import { roundOf, roundsOf, settle, summariesOf, unsettled } from "./settled-rounds.ts";
import { type CoordinatorState, INITIAL_STATE } from "./state.ts";
import { step } from "./step.ts";
import { aggregated, approvals, evaluation, objectOf, smallStudy, submitted, update } from "./testing/studies.ts";

const SITES = Array.from({ length: 29 }, (_, i) => `site-${String(i).padStart(2, "0")}`);
const study = smallStudy({ count: 1000 });
const ROUNDS = 12;

/** Figures that have nothing in common between sites and rounds: the least that packing can take out. */
function* history(): Generator<CoordinatorEvent> {
  const random = createRandom("figures");
  const sums = (cases: number) => ({
    diceSum: random.uniform(),
    diceCases: cases,
    hd95Sum: 10 * random.uniform(),
    hd95Cases: cases,
  });
  yield* submitted(SITES, study);
  yield* approvals(SITES, study);
  for (let round = 1; round <= ROUNDS; round++) {
    for (const siteId of SITES) {
      yield update(siteId, round, study, { meanLoss: random.uniform(), runRecordSha256: sha256(`${siteId} runs`) });
    }
    yield aggregated(round, SITES);
    for (const [i, siteId] of SITES.entries()) {
      const cases = i + 1;
      const regions = { WT: sums(cases), TC: sums(cases), ET: sums(cases) };
      yield { ...evaluation(siteId, round, study, 0.5), cases, regions };
    }
  }
}

/** Each round's record as it was when it was the last, and the state then. */
const folded = (() => {
  let state = INITIAL_STATE;
  const states: CoordinatorState[] = [];
  const records: RoundRecord[] = [];
  for (const event of history()) {
    const next = step(state, event);
    if (next.verdict.outcome !== "accepted") throw new Error(`${event.kind} was ${next.verdict.outcome}`);
    state = next.state;
    const last = state.study?.lastRound;
    if (last?.evaluation === undefined || records.at(-1)?.round === last.round) continue;
    records.push(last);
    states.push(state);
  }
  return { state, states, records };
})();

function sizeOf(value: unknown): number {
  return canonicalJson(value as Json).length;
}

describe("rounds that are settled", () => {
  test("are told as they were when they were the last", () => {
    const { state, records } = folded;
    expect(records).toHaveLength(ROUNDS);
    expect(roundsOf(state.study)).toEqual(records);
    expect(roundsOf(state.study, 10).map(({ round }) => round)).toEqual([11, 12]);
    expect(state.study && roundOf(state.study, 7)).toEqual(records[6]);
    expect(state.study && summariesOf(state.study).map(({ evaluation: found }) => found?.meanDice)).toEqual(
      records.map(({ evaluation: found }) => found?.meanDice),
    );
    const read = JSON.parse(JSON.stringify(state)) as CoordinatorState;
    expect(roundsOf(read.study)).toEqual(records);
  });

  test("add to the state a small part of what their records take, each as much as the one before", () => {
    const sizes = folded.states.map(sizeOf);
    const added = sizes.slice(1).map((size, i) => (size - sizes[i]) / SITES.length);
    for (const bytes of added) expect(bytes).toBeLessThan(260);
    // The control: records that stay as they are do not pass.
    for (const record of folded.records) expect(sizeOf(record) / SITES.length).toBeGreaterThan(600);
  });

  test("keep whoever was left out, drawn, only evaluating, or without figures", () => {
    const whole = folded.records[0];
    const { [SITES[3]]: gone, ...updates } = whole.updates;
    const [, , , , { siteId }] = whole.shares;
    const others = { ...whole.evaluation?.sites, judge: { cases: 2, regions: {}, atMs: 9 } };
    const odd: RoundRecord = {
      ...whole,
      updates: { ...updates, [siteId]: { ...updates[siteId], meanLoss: null, stepsAsked: 4 } satisfies UpdateRecord },
      shares: whole.shares.filter((share) => share.siteId !== SITES[3]),
      drawn: SITES.slice(0, 9),
      leftOut: [{ siteId: SITES[3], reason: "late", shareLost: 0.1 }],
      evaluation: {
        ...(whole.evaluation as NonNullable<RoundRecord["evaluation"]>),
        sites: others,
        outOfSample: { sites: ["judge"], regions: {}, meanDice: null },
      },
    };
    expect(unsettled(settle(odd))).toEqual(odd);
    const { evaluation: _, ...unevaluated } = odd;
    expect(unsettled(settle(unevaluated))).toEqual(unevaluated);
    const summed: RoundRecord = { ...unevaluated, shares: [], updates: {} };
    expect(unsettled(settle(summed))).toEqual(summed);
  });

  test("are the same text whatever the order of what came", () => {
    const [record] = folded.records;
    const turned = { ...record, updates: Object.fromEntries(Object.entries(record.updates).reverse()) };
    expect(settle(turned)).toEqual(settle(record));
    expect(settle({ ...record, model: objectOf("another") })).not.toEqual(settle(record));
  });
});

describe("columns", () => {
  const digest = fc.nat().map((seed) => sha256(String(seed)));
  const leaf = fc.oneof(
    fc.integer(),
    fc.maxSafeInteger(),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    digest,
    fc.string(),
    fc.constantFrom(null, true, 0, 1),
  );
  const value: fc.Arbitrary<Json> = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 3 },
      leaf,
      fc.array(tie("value"), { maxLength: 3 }),
      fc.dictionary(fc.constantFrom("a", "b", "at", "same", "values", "members", "constructor"), tie("value"), {
        maxKeys: 4,
      }),
    ),
  })).value as fc.Arbitrary<Json>;

  test("bring back any values as a journal would", () => {
    fc.assert(
      fc.property(fc.oneof(fc.array(value, { maxLength: 6 }), fc.array(leaf, { maxLength: 6 })), (values) => {
        const column = packColumn(values);
        const read = JSON.parse(canonicalJson(column as unknown as Json)) as typeof column;
        expect(canonicalJson(unpackColumn(read, values.length))).toBe(canonicalJson(values));
        expect(canonicalJson(packColumn(JSON.parse(canonicalJson(values)) as Json[]) as unknown as Json)).toBe(
          canonicalJson(column as unknown as Json),
        );
      }),
      { numRuns: 1000 },
    );
  });

  test("keep doubles to the last bit, and 0 for -0", () => {
    const doubles = [0.1, Number.MIN_VALUE, Number.MAX_VALUE, -1e-300, 2 ** 53 + 2];
    expect(unpackColumn(packColumn(doubles), 5)).toEqual(doubles);
    for (const values of [
      [-0, 0.5],
      [-0, 3],
      [-0, -0],
    ]) {
      expect(Object.is(unpackColumn(packColumn(values), 2)[0], 0)).toBe(true);
    }
  });
});
