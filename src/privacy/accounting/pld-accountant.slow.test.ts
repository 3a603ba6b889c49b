import { describe, expect, it } from "vitest";
import { readDpVectors } from "../testing/dp-vectors.ts";
import { epsilonOf, lossDistributions } from "./pld-accountant.ts";

describe("pldEpsilon on the whole grid", () => {
  it("is never below dp-accounting's, and at most 1e-3 above, on at least 200 settings", () => {
    let settings = 0;
    for (const { event, epsilons } of readDpVectors().settings) {
      const losses = lossDistributions(event);
      if (losses === "unbounded") throw new Error("a setting without noise");
      for (const { delta, pld } of epsilons) {
        const epsilon = Math.max(...losses.map((loss) => epsilonOf(loss, delta)));
        expect(epsilon).toBeGreaterThanOrEqual(pld);
        expect(epsilon).toBeLessThanOrEqual(pld * (1 + 1e-3));
        settings++;
      }
    }
    expect(settings).toBeGreaterThanOrEqual(200);
  });
});
