import { describe, expect, it } from "vitest";
import { parseStudy, type Study } from "../study/index.ts";
import { learningRateAt } from "./schedules.ts";

function studyWith(training: object, count = 10): Study {
  return parseStudy({
    schema: "consilium.study/1",
    name: "schedules",
    network: { kind: "unet3d" },
    training: { optimiser: { kind: "sgd", learningRate: 0.2 }, patch: [32, 32, 32], stepsPerRound: 4, ...training },
    rounds: { count },
  });
}

describe("learningRateAt", () => {
  it("follows the schedule that is declared", () => {
    const at = (schedule: object, round: number, share: number): number =>
      learningRateAt(studyWith({ schedule }), round, share);
    expect(at({ kind: "constant" }, 9, 0.5)).toBe(0.2);
    expect(at({ kind: "polynomial", power: 0.9 }, 6, 0)).toBeCloseTo(0.2 * 0.5 ** 0.9, 12);
    expect(at({ kind: "cosine", least: 0.1 }, 1, 0)).toBeCloseTo(0.2, 12);
    expect(at({ kind: "cosine", least: 0.1 }, 6, 0)).toBeCloseTo(0.2 * 0.55, 12);
    expect(at({ kind: "cosine" }, 11, 0)).toBeCloseTo(0, 12);
    const step = { kind: "step", everyRounds: 2.5, factor: 0.5 };
    expect([1, 3, 6, 10].map((round) => at(step, round, 0.6))).toEqual([0.2, 0.1, 0.05, 0.025]);
  });

  it("rises through the warm-up, and has the rest of the study for its schedule", () => {
    const study = studyWith({ schedule: { kind: "polynomial", power: 1 }, warmUpRounds: 2 });
    expect(learningRateAt(study, 1, 0)).toBeCloseTo(0.002, 12);
    expect(learningRateAt(study, 2, 0)).toBeCloseTo(0.2 * (0.01 + 0.99 / 2), 12);
    expect(learningRateAt(study, 3, 0)).toBeCloseTo(0.2, 12);
    expect(learningRateAt(study, 7, 0)).toBeCloseTo(0.1, 12);
  });

  it("is finite where the warm-up takes the whole study", () => {
    const study = studyWith({ warmUpRounds: 10 });
    for (let round = 1; round <= 10; round++) {
      const rate = learningRateAt(study, round, 0.99);
      expect(rate).toBeGreaterThan(0);
      expect(rate).toBeLessThanOrEqual(0.2);
    }
  });
});
