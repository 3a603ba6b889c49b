/** Sites that return part of their work: what is accepted, what it weighs, and what the record says. */

import { describe, expect, test } from "vitest";
import { createExactSum, largestTotalWeight } from "../aggregation/index.ts";
import type { CoordinatorEvent } from "./events.ts";
import { updateWeight, type Work, weightUnit } from "./round-weights.ts";
import { roundsOf } from "./settled-rounds.ts";
import type { CoordinatorState } from "./state.ts";
import { step } from "./step.ts";
import { aggregated, approvals, smallStudy, stateAfter, submitted, update } from "./testing/studies.ts";

const SITES = ["tum", "ucsf", "upenn"];
const study = smallStudy({ quorum: 2, partialWork: { leastShare: 0.25 } });
const training = { ...study.training, stepsPerRound: 40 };
const partial = { ...study, training };
const begun = [...submitted(SITES, partial), ...approvals(SITES, partial)];

function refusal(state: CoordinatorState, event: CoordinatorEvent): string {
  const { verdict } = step(state, event);
  return verdict.outcome === "accepted" ? "accepted" : `${verdict.outcome} ${verdict.error.code}`;
}

describe("an update of partial work", () => {
  const state = stateAfter(...begun);

  test("is taken from the least share to the whole, and no more", () => {
    const steps = (gradientSteps: number): string => refusal(state, update("tum", 1, partial, { gradientSteps }));
    expect([9, 10, 40, 41].map(steps)).toEqual([
      "rejected message-invalid",
      "accepted",
      "accepted",
      "rejected message-invalid",
    ]);
  });

  test("is known by the steps that were asked for; whole work is as in any study", () => {
    const after = stateAfter(
      ...begun,
      update("tum", 1, partial, { gradientSteps: 10 }),
      update("ucsf", 1, partial, { gradientSteps: 40 }),
    );
    expect(after.phase).toMatchObject({
      updates: { tum: { gradientSteps: 10, stepsAsked: 40 }, ucsf: { gradientSteps: 40 } },
    });
    expect((after.phase as { updates: Record<string, object> }).updates.ucsf).not.toHaveProperty("stepsAsked");
  });

  test("makes what an absent site would have counted for in the same units", () => {
    const cases: CoordinatorEvent = {
      kind: "site-reported",
      atMs: 3,
      siteId: "upenn",
      productVersion: "0",
      data: { trainingCases: 3, validationCases: 1, channels: ["t1"], labelConvention: "brats2021" },
    };
    const [invited, ...rest] = begun;
    const weights = [3 * 256 * 4, 3 * 256];
    const event = { ...aggregated(1, ["tum", "ucsf"]), totalWeight: weights[0] + weights[1] } as CoordinatorEvent;
    const enrolled = rest.slice(0, 5);
    const closed = stateAfter(
      invited,
      ...enrolled,
      cases,
      ...rest.slice(5),
      update("tum", 1, partial, { gradientSteps: 10 }),
      update("ucsf", 1, partial, { gradientSteps: 40 }),
      { kind: "time-reached", atMs: 1e7 },
      event,
    );
    const [absent] = roundsOf(closed.study)[0].leftOut ?? [];
    expect(absent).toMatchObject({ siteId: "upenn", shareLost: expect.closeTo(1 / 6, 12) });
  });
});

describe("weights of a round", () => {
  const whole = { trainingCases: 7, gradientSteps: 40 };

  test("of whole work are the cases, and equal ones where the study says so", () => {
    expect(weightUnit(partial, [whole, whole])).toBe(1);
    expect(updateWeight(partial, whole, 1)).toBe(7);
    const equal = { ...partial, aggregation: { ...partial.aggregation, weightBy: "equal" as const } };
    expect(updateWeight(equal, whole, 1)).toBe(1);
  });

  test("undo what unequal work does to the direction of the mean, which weights by cases alone do not", () => {
    // Sites that move by g_k a step: whole work of all moves by sum n_k S g_k / n.
    const sites = [
      { trainingCases: 30, steps: 40, g: [1, 0] },
      { trainingCases: 10, steps: 11, g: [0, 1] },
      { trainingCases: 60, steps: 17, g: [-1, 3] },
    ];
    const S = 40;
    const mean = (weights: readonly number[]): number[] => {
      const total = weights.reduce((sum, weight) => sum + weight, 0);
      return [0, 1].map((axis) =>
        sites.reduce((sum, { steps, g }, k) => sum + (weights[k] * steps * g[axis]) / total, 0),
      );
    };
    const works = sites.map(({ trainingCases, steps }) => ({
      trainingCases,
      gradientSteps: steps,
      ...(steps < S && { stepsAsked: S }),
    }));
    const unit = weightUnit(partial, works);
    const corrected = mean(works.map((work) => updateWeight(partial, work, unit)));
    const byCases = mean(sites.map(({ trainingCases }) => trainingCases));
    const wanted = [0, 1].map((axis) => sites.reduce((sum, { trainingCases, g }) => sum + trainingCases * g[axis], 0));
    const angle = ([x, y]: readonly number[]): number => Math.atan2(y, x);
    expect(angle(corrected)).toBeCloseTo(angle(wanted), 4);
    expect(Math.abs(angle(byCases) - angle(wanted))).toBeGreaterThan(0.05);
    // As far as the harmonic mean of the shares, weighted by cases.
    const harmonic = 100 / sites.reduce((sum, { trainingCases, steps }) => sum + (trainingCases * S) / steps, 0);
    expect(Math.hypot(...corrected)).toBeCloseTo((Math.hypot(...wanted) / 100) * S * harmonic, 3);
  });
});

describe("weights of partial work where the sum has little room", () => {
  const precise = { ...partial, aggregation: { ...partial.aggregation, precisionBits: 32 } };
  const most = largestTotalWeight(32);
  const round = (cases: number) => [
    { trainingCases: cases, gradientSteps: 40 },
    { trainingCases: 1000, gradientSteps: 10, stepsAsked: 40 },
  ];
  const totalOf = (works: readonly Work[]): number => {
    const unit = weightUnit(precise, works);
    return works.reduce((sum, work) => sum + updateWeight(precise, work, unit), 0);
  };
  const roomFor = (unit: number): number => Math.floor(most / unit) - 4000;

  test.each([256, 128, 64, 2])("are counted in the smallest parts that fit: 1/%d of a case up to the limit", (unit) => {
    const full = round(roomFor(unit));
    expect(weightUnit(precise, full)).toBe(unit);
    expect(weightUnit(precise, [...full].reverse())).toBe(unit);
    expect(totalOf(full)).toBeLessThanOrEqual(most);
    expect(() => createExactSum(1, { precisionBits: 32, maxTotalWeight: totalOf(full) })).not.toThrow();
    expect(weightUnit(precise, round(roomFor(unit) + 1))).toBe(unit / 2);
  });

  test("are whole cases at the least, and refused only where those do not fit either", () => {
    expect(totalOf(round(roomFor(1)))).toBe(most);
    const beyond = round(roomFor(1) + 1);
    expect(weightUnit(precise, beyond)).toBe(1);
    expect(() => createExactSum(1, { precisionBits: 32, maxTotalWeight: totalOf(beyond) })).toThrow(/total weight/);
  });
});
