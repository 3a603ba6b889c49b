import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { carryOver, casesOf, splitBySubject } from "./data-split.ts";

const subjects = fc.uniqueArray(fc.string({ minLength: 1, maxLength: 8 }), { minLength: 1, maxLength: 60 });
const cohort = subjects.chain((names) =>
  fc
    .array(fc.integer({ min: 1, max: 3 }), { minLength: names.length, maxLength: names.length })
    .map((scans) =>
      names.flatMap((subject, i) =>
        Array.from({ length: scans[i] }, (_, scan) => ({ id: `${subject}-${scan}`, subject })),
      ),
    ),
);
const seeds = fc.integer({ min: 0, max: 1000 });

describe("splitBySubject", () => {
  it("puts every subject on one side, a fifth of them into validation", () => {
    fc.assert(
      fc.property(cohort, seeds, (cases, seed) => {
        const record = splitBySubject(cases, seed);
        const [training, validation] = [casesOf(cases, record, "training"), casesOf(cases, record, "validation")];
        expect(training.length + validation.length).toBe(cases.length);
        const [left, right] = [training, validation].map((side) => new Set(side.map(({ subject }) => subject)));
        expect([...right].filter((subject) => left.has(subject))).toEqual([]);
        const all = left.size + right.size;
        if (cases.length < 5 || all === 1) expect(right.size).toBe(0);
        else expect(Math.abs(right.size - 0.2 * all)).toBeLessThanOrEqual(all < 5 ? 0.8 : 0.5);
      }),
    );
  });

  it("does not depend on the order of cases", () => {
    fc.assert(
      fc.property(cohort, seeds, (cases, seed) => {
        expect(splitBySubject([...cases].reverse(), seed)).toEqual(splitBySubject(cases, seed));
      }),
    );
  });

  it("never draws a subject again when cases come or go, and comes back to a fifth", () => {
    fc.assert(
      fc.property(cohort, seeds, fc.nat(), (cases, seed, cut) => {
        const first = cases.slice(0, 1 + (cut % cases.length));
        const before = splitBySubject(first, seed);
        const after = splitBySubject(cases, seed, before);
        for (const [subject, side] of Object.entries(before)) expect(after[subject]).toBe(side);
        const some = splitBySubject(cases.slice(-1), seed, after);
        expect(some).toEqual(after);
        const names = new Set(cases.map(({ subject }) => subject));
        const validating = [...names].filter((subject) => after[subject] === "validation").length;
        expect(validating).toBeLessThanOrEqual(Math.max(1, Math.round(0.2 * names.size)));
      }),
    );
  });

  it("draws otherwise under another seed", () => {
    const cases = Array.from({ length: 40 }, (_, i) => ({ subject: `s${i}` }));
    const draws = [0, 1, 2].map((seed) => JSON.stringify(splitBySubject(cases, seed)));
    expect(new Set(draws).size).toBe(3);
  });

  it("trains on all of four cases, and validates one of five", () => {
    const cases = Array.from({ length: 5 }, (_, i) => ({ subject: `s${i}` }));
    expect(casesOf(cases, splitBySubject(cases.slice(0, 4), 0), "validation")).toEqual([]);
    expect(casesOf(cases, splitBySubject(cases, 0), "validation")).toHaveLength(1);
    const grown = splitBySubject(cases, 0, splitBySubject(cases.slice(0, 4), 0));
    expect(casesOf(cases, grown, "validation")).toEqual([{ subject: "s4" }]);
  });

  it("is not confused by subjects that are named like members of an object", () => {
    const cases = ["constructor", "toString", "a", "b", "c"].map((subject) => ({ subject }));
    const record = splitBySubject(cases, 3);
    expect(casesOf(cases, record, "training").length + casesOf(cases, record, "validation").length).toBe(5);
  });
});

describe("carryOver", () => {
  const scans = Array.from({ length: 20 }, (_, i) => ({ id: `scan${i}`, subject: `scan${i}` }));
  const earlier = splitBySubject(scans, 5);
  const patients = scans.map(({ id }, i) => ({ id, subject: `patient${i >> 1}` }));

  it("never lets a case that trained validate under another subject's name", () => {
    const record = splitBySubject(patients, 5, carryOver(earlier, scans, patients));
    const trained = new Set(casesOf(scans, earlier, "training").map(({ id }) => id));
    const validating = casesOf(patients, record, "validation").map(({ id }) => id);
    expect(validating.filter((id) => trained.has(id))).toEqual([]);
    // Drawn anew without it (the control), some would.
    const anew = casesOf(patients, splitBySubject(patients, 5), "validation").map(({ id }) => id);
    expect(anew.filter((id) => trained.has(id)).length).toBeGreaterThan(0);
  });

  it("changes nothing where subjects stay, and draws those that are new", () => {
    expect(carryOver(earlier, scans, scans)).toEqual(earlier);
    expect(carryOver({}, [], patients)).toEqual({});
  });
});
