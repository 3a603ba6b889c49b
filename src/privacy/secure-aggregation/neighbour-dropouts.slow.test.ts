import { expect, it } from "vitest";
import { createRandom } from "../../base/index.ts";
import { checkAmongNeighbours, POINTS } from "../testing/dropouts.ts";
import { contextOf, type DropPoint } from "../testing/masked-federation.ts";

const SITES = ["a", "b", "c", "d", "e", "f", "g", "h", "i"];

it("among neighbours, every set of up to four of nine that send no update, and as many drops at random steps, end in the exact sum or in nothing", async () => {
  const random = createRandom("neighbours, all");
  const verdicts = { summed: 0, failed: 0 };
  for (const [neighbours, threshold, colluders] of [
    [4, 4, 1],
    [6, 4, 0],
    [2, 2, 0],
  ] as const) {
    const context = { ...contextOf(SITES, 6), graph: { neighbours, threshold, colluders } };
    for (let set = 0; set < 2 ** SITES.length; set++) {
      const gone = SITES.filter((_, i) => (set & (1 << i)) !== 0);
      if (gone.length > 4) continue;
      const all = new Map(gone.map((site): [string, DropPoint] => [site, "input"]));
      verdicts[await checkAmongNeighbours({ ...context, round: 1 + (set % 7) }, all, set)]++;
      const mixed = new Map(gone.map((site): [string, DropPoint] => [site, POINTS[random.integer(POINTS.length)]]));
      verdicts[await checkAmongNeighbours({ ...context, round: 1 + (set % 5) }, mixed, set)]++;
    }
  }
  expect(verdicts.summed + verdicts.failed).toBe(3 * 2 * 256);
  expect(Math.min(verdicts.summed, verdicts.failed)).toBeGreaterThan(100);
});
