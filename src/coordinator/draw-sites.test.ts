import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Study } from "../study/index.ts";
import { drawSites } from "./draw-sites.ts";
import { drawsOf, smallStudy } from "./testing/studies.ts";

const names = (count: number): string[] =>
  Array.from({ length: count }, (_, i) => `site-${String(i + 1).padStart(2, "0")}`);

function studyOf(count: number, sitesPerRound: number, seed: number): Study {
  const study = smallStudy({ count, sitesPerRound });
  return { ...study, training: { ...study.training, seed } };
}

function timesDrawn(draws: readonly (readonly string[])[], sites: readonly string[]): number[] {
  const all = draws.flat();
  return sites.map((siteId) => all.filter((drawn) => drawn === siteId).length);
}

describe("the sites of a round", () => {
  test("are sorted, different, as many as asked, and the same for the same draw", () => {
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 1, max: 29 }), fc.integer({ min: 1, max: 29 }), (seed, count, wanted) => {
        const sites = names(count);
        const draw = { seed, round: 1, sitesPerRound: wanted, sites, before: [] };
        const drawn = drawSites(draw);
        expect(drawn).toHaveLength(Math.min(count, wanted));
        expect(drawn).toEqual(sites.filter((siteId) => drawn.includes(siteId)));
        expect(drawSites(draw)).toEqual(drawn);
      }),
    );
  });

  test("take part equally often: after any round, no site once more than another", () => {
    fc.assert(
      fc.property(
        fc.nat(),
        fc.integer({ min: 2, max: 29 }),
        fc.integer({ min: 1, max: 29 }),
        fc.integer({ min: 1, max: 60 }),
        (seed, count, sitesPerRound, rounds) => {
          const sites = names(count);
          const times = timesDrawn(drawsOf(studyOf(rounds, sitesPerRound, seed), sites), sites);
          expect(Math.max(...times) - Math.min(...times)).toBeLessThanOrEqual(1);
        },
      ),
    );
  });

  test("differ by seed and change their company from cycle to cycle", () => {
    const draws = (seed: number): unknown => drawsOf(studyOf(12, 4, seed), names(12));
    expect(draws(1)).not.toEqual(draws(2));
    const together = drawsOf(studyOf(30, 4, 1), names(12));
    const companions = new Set(together.filter((drawn) => drawn.includes("site-01")).flat());
    expect(companions.size).toBeGreaterThan(8);
  });

  test("let a late site in within one cycle, and do not make up for all that it missed", () => {
    const before = drawsOf(studyOf(100, 4, 1), names(11)).map((drawn) => [...drawn]);
    for (let round = 101; round <= 133; round++) {
      before.push(drawSites({ seed: 1, round, sitesPerRound: 4, sites: names(12), before }));
    }
    const since = before.slice(100);
    expect(since.slice(0, 3).flat()).toContain("site-12");
    const times = timesDrawn(since, names(12));
    expect(times[11]).toBeLessThanOrEqual(Math.min(...times) + 1);
  });
});
