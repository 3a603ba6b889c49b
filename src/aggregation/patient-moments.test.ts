import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createRandom } from "../base/index.ts";
import { addMoments, intervalOfMoments, momentsOf, NO_PATIENTS } from "./patient-moments.ts";

const DICE = [0, 1] as const;
const sumOf = (samples: readonly { readonly value: number }[]) => samples.reduce((sum, { value }) => sum + value, 0);

describe("the interval of a mean from moments", () => {
  it("is the usual one by Student's t where each patient has one case", () => {
    // By hand: mean 0.6, s = 0.158114, s / sqrt(5) = 0.0707107, t(4) = 2.77645.
    const samples = [0.4, 0.5, 0.6, 0.7, 0.8].map((value, i) => ({ subject: `s${i}`, value }));
    const [low, high] = intervalOfMoments(sumOf(samples), 5, momentsOf(samples), DICE) ?? [];
    expect(low).toBeCloseTo(0.6 - 0.196324, 5);
    expect(high).toBeCloseTo(0.6 + 0.196324, 5);
  });

  it("is that of the patients alone where all scans of a patient say the same", () => {
    const once = [0.3, 0.5, 0.9].map((value, i) => ({ subject: `s${i}`, value }));
    const twice = [...once, ...once];
    const of = (samples: typeof once) => intervalOfMoments(sumOf(samples), samples.length, momentsOf(samples), DICE);
    expect(of(twice)?.[0]).toBeCloseTo(of(once)?.[0] ?? Number.NaN, 12);
    expect(of(twice)?.[1]).toBeCloseTo(of(once)?.[1] ?? Number.NaN, 12);
  });

  it("is the same however patients are spread over sites", () => {
    const sample = fc.record({
      subject: fc.integer({ min: 0, max: 9 }),
      value: fc.double({ min: 0, max: 1, noNaN: true }),
    });
    fc.assert(
      fc.property(fc.array(sample, { minLength: 4, maxLength: 30 }), fc.integer({ min: 1, max: 4 }), (all, sites) => {
        const samples = all.map(({ subject, value }) => ({ subject: `s${subject}`, value }));
        const split = Array.from({ length: sites }, (_, site) =>
          momentsOf(samples.filter(({ subject }) => Number(subject.slice(1)) % sites === site)),
        ).reduce(addMoments, NO_PATIENTS);
        const whole = intervalOfMoments(sumOf(samples), samples.length, momentsOf(samples), DICE);
        const parts = intervalOfMoments(sumOf(samples), samples.length, split, DICE);
        expect(parts === null).toBe(whole === null);
        for (const end of [0, 1]) expect(parts?.[end] ?? 0).toBeCloseTo(whole?.[end] ?? 0, 6);
      }),
    );
  });

  it("holds the true mean about 95 times of a hundred, two scans of a patient included", () => {
    const random = createRandom("coverage", 1);
    let within = 0;
    const runs = 2000;
    for (let run = 0; run < runs; run++) {
      const samples = Array.from({ length: 12 }, (_, patient) => {
        const own = 0.3 + 0.4 * random.uniform();
        return Array.from({ length: 1 + (patient % 2) }, () => ({
          subject: `s${patient}`,
          value: own + 0.1 * (random.uniform() - 0.5),
        }));
      }).flat();
      const [low, high] = intervalOfMoments(sumOf(samples), samples.length, momentsOf(samples), DICE) ?? [1, 0];
      if (low <= 0.5 && 0.5 <= high) within++;
    }
    expect(within / runs).toBeGreaterThan(0.93);
    expect(within / runs).toBeLessThan(0.97);
  });

  it("stays within what the figure can be", () => {
    const samples = [0, 1, 1].map((value, i) => ({ subject: `s${i}`, value }));
    expect(intervalOfMoments(2, 3, momentsOf(samples), DICE)).toEqual([0, 1]);
  });

  it("is none for one patient, and where the moments are of other figures", () => {
    const one = momentsOf([
      { subject: "a", value: 0.2 },
      { subject: "a", value: 0.9 },
    ]);
    expect(intervalOfMoments(1.1, 2, one, DICE)).toBeNull();
    expect(intervalOfMoments(1.9, 2, { patients: 2, squares: 0.1, timesCases: 1.9, casesSquared: 2 }, DICE)).toBeNull();
  });
});
