/** Why updates are masked and noised: the same attack on what leaves a site without protection, and with it. */
import { expect, test } from "vitest";
import { createRandom } from "../../base/index.ts";
import { inversionTrial } from "../testing/inversion-trial.ts";
import { correlation, drawPatient, gradientOf, startingWeights } from "../testing/invert-update.ts";

const SEEDS = [1, 2, 3, 4, 5];

test("the victim's gradient is the derivative of its loss", () => {
  const random = createRandom("victim");
  const weights = startingWeights(random);
  const patient = drawPatient(random);
  const gradient = gradientOf(weights, patient);
  const direction = weights.map(() => random.normal());
  const along = (step: number): number => {
    const moved = gradientOf(
      weights.map((weight, i) => weight + step * direction[i]),
      patient,
    );
    return moved.reduce((sum, value, i) => sum + value * direction[i], 0);
  };
  // The derivative of a convex direction rises, and is the gradient's own at no step.
  expect(along(0)).toBeCloseTo(
    gradient.reduce((sum, value, i) => sum + value * direction[i], 0),
    12,
  );
});

test("an update of one step gives the patient's picture away", () => {
  for (const seed of SEEDS) expect(inversionTrial(seed, 1).correlations.none).toBeGreaterThan(0.99);
});

test("the same attack finds nothing in a masked update, nor in a noised one", () => {
  for (const seed of SEEDS) {
    const { correlations } = inversionTrial(seed, 1);
    // Of 256 pixels by chance: a standard deviation of 0.06.
    expect(Math.abs(correlations.masked)).toBeLessThan(0.35);
    expect(Math.abs(correlations["patient-level noise"])).toBeLessThan(0.35);
  }
});

test("what masks leave is the sum: no more of one patient than every head has in common", () => {
  const random = createRandom("another patient");
  const likeness = SEEDS.map(() => correlation(drawPatient(random).picture, drawPatient(random).picture));
  const typical = Math.max(...likeness);
  for (const seed of SEEDS) {
    expect(inversionTrial(seed, 1).correlations["sum of 29 sites"]).toBeLessThan(Math.max(0.97, typical));
  }
});

test("has a control: with a thousandth of the noise the attack succeeds again", () => {
  for (const seed of SEEDS)
    expect(inversionTrial(seed, 0.0001).correlations["patient-level noise"]).toBeGreaterThan(0.9);
});
