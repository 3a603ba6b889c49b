/** Two models by site: which two, what is compared, and intervals as tables of Student's t give them. */
import { describe, expect, test } from "vitest";
import { compareStudyModels } from "./compare-study-models.ts";
import type { FigureStatus } from "./status.ts";
import type { ModelEntry } from "./study-models.ts";

function figures(mean: number): FigureStatus {
  const region = (dice: number) => ({ dice, hd95: null, diceInterval: null, hd95Interval: null });
  return { mean, cases: 5, regions: { WT: region(mean + 0.1), ET: region(mean - 0.1) } };
}

function model(study: string, hash: string, means: Readonly<Record<string, number | null>>): ModelEntry {
  return {
    study,
    studyHash: hash.padEnd(64, "0"),
    best: { round: 3, sha256: "1".repeat(64), bytes: 1 },
    figures: figures(0.5),
    sites: Object.entries(means).map(([id, mean]) => ({ id, best: mean === null ? null : figures(mean) })),
  } as unknown as ModelEntry;
}

// Latest first.
const MODELS = [
  model("Third", "cccccc", { a: 0.81, b: 0.73, c: 0.65, d: null }),
  model("Second", "bbbbbb", { a: 0.8, b: 0.7, c: 0.6, d: 0.5 }),
  model("First", "aaaaaa", { b: 0.5, e: 0.6 }),
];

describe("two models by site", () => {
  test("the last beside the one before it, with a worked interval", () => {
    const { before, after, sites, paired, change } = compareStudyModels(MODELS, {});
    expect([before.study, after.study, paired]).toEqual(["Second", "Third", 3]);
    expect(sites.map(({ id }) => id)).toEqual(["a", "b", "c", "d"]);
    expect(sites[3]).toEqual({ id: "d", before: 0.5, after: null });
    // Changes 0.01, 0.03, 0.05: mean 0.03, deviation 0.02, half width 4.30265 * 0.02 / sqrt(3).
    const half = (4.30265 * 0.02) / Math.sqrt(3);
    expect(change?.mean).toBeCloseTo(0.03, 12);
    expect(change?.interval[0]).toBeCloseTo(0.03 - half, 6);
    expect(change?.interval[1]).toBeCloseTo(0.03 + half, 6);
  });

  test("others by name or hash; fewer than three sites of both allow no interval", () => {
    const compared = compareStudyModels(MODELS, { before: "First", after: "bbbbbb", region: "WT" });
    expect([compared.before.study, compared.after.study, compared.paired, compared.change]).toEqual([
      ...["First", "Second", 1],
      null,
    ]);
    expect(compared.sites.find(({ id }) => id === "b")).toEqual({ id: "b", before: 0.6, after: expect.closeTo(0.8) });
  });

  test.each([
    ["no such study", { before: "Fourth" }, "Third (cccccc), Second (bbbbbb), First (aaaaaa)"],
    ["too few digits", { after: "ccc" }, "one of Third"],
    ["no such region", { region: "TC" }, "one of WT, ET"],
  ])("%s is refused", (_, which, expected) => {
    expect(() => compareStudyModels(MODELS, which)).toThrow(expected);
  });

  test("a name that two studies have is refused, and so is a single model", () => {
    const twice = [MODELS[0], { ...MODELS[1], study: "Third" }];
    expect(() => compareStudyModels(twice, { after: "Third" })).toThrow("2 of that name");
    expect(() => compareStudyModels([MODELS[0], { ...MODELS[1], best: null }], {})).toThrow("got one");
  });
});

test("holds the true mean in about 95 of 100 samples", () => {
  let state = 7;
  const uniform = (): number => {
    state = (state * 48_271) % 2_147_483_647;
    return state / 2_147_483_647;
  };
  const normal = (): number => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
  const ids = ["a", "b", "c", "d", "e"];
  let held = 0;
  for (let i = 0; i < 2000; i++) {
    const later = model("Later", "ffffff", Object.fromEntries(ids.map((id) => [id, 0.52 + 0.05 * normal()])));
    const earlier = model("Earlier", "eeeeee", Object.fromEntries(ids.map((id) => [id, 0.5])));
    const [low, high] = compareStudyModels([later, earlier], {}).change?.interval ?? [1, 0];
    if (low <= 0.02 && high >= 0.02) held++;
  }
  expect(held / 2000).toBeGreaterThan(0.93);
  expect(held / 2000).toBeLessThan(0.97);
});
