import { describe, expect, it } from "vitest";
import { checkPattern, expectHidden, POINTS, SITES } from "../testing/dropouts.ts";
import type { DropPoint } from "../testing/masked-federation.ts";

/** Every multiset of five drop points, dealt to the sites in a rotated order; all orders are in the slow test. */
function patterns(): DropPoint[][] {
  const found: DropPoint[][] = [];
  const extend = (chosen: DropPoint[], from: number): void => {
    if (chosen.length === SITES.length) {
      const turn = found.length % SITES.length;
      found.push([...chosen.slice(turn), ...chosen.slice(0, turn)]);
      return;
    }
    for (let point = from; point < POINTS.length; point++) extend([...chosen, POINTS[point]], point);
  };
  extend([], 0);
  return found;
}

describe("dropouts of five sites", () => {
  it("end in the exact sum with every survivor hidden, or in nothing, wherever sites drop", async () => {
    const all = patterns();
    expect(all).toHaveLength(252);
    const verdicts = { summed: 0, failed: 0 };
    for (const [i, pattern] of all.entries()) verdicts[await checkPattern(pattern, i)]++;
    // Three, four or five never drop: 1 + 5 + 15 multisets.
    expect(verdicts).toEqual({ summed: 21, failed: 231 });
  });

  it("has a control: the check of what is hidden catches opened pairs among survivors and a dropped site's seed", () => {
    const list = { survivors: ["a", "b"], dropped: ["c"] };
    const masks = Array.from(
      { length: 4 },
      () => ({ seed: { kind: "maskSeed", bytes: new Uint8Array(32) }, sign: 1 }) as const,
    );
    const good = {
      selfSeeds: ["a", "b"],
      pairSeeds: [
        ["a", "c"],
        ["b", "c"],
      ] as const,
      masks,
    };
    expectHidden({ list, opened: good });
    expect(() =>
      expectHidden({
        list,
        opened: {
          ...good,
          pairSeeds: [
            ["a", "b"],
            ["b", "c"],
          ],
        },
      }),
    ).toThrow();
    expect(() => expectHidden({ list, opened: { ...good, selfSeeds: ["a", "b", "c"] } })).toThrow();
  });
});
