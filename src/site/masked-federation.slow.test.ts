import { rm } from "node:fs/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import { begin, dyingRun, finalOf, stoppingRun } from "./testing/masked-suite.ts";
import { temporaryFolder } from "./testing/test-site.ts";

let root: string;
beforeAll(async () => {
  root = await temporaryFolder();
});
afterAll(() => rm(root, { recursive: true, force: true }));

it("a site that dies at any step of a masked federation goes on, and the model is the plain one's", async () => {
  const plain = await finalOf(await begin(root, {}));
  const { steps } = await dyingRun(root);
  const places = steps.flatMap((step, i) => (["write masking", "keep", "exchange", "send"].includes(step) ? [i] : []));
  expect(places.length).toBeGreaterThan(20);
  for (const at of places) {
    for (const when of ["before", "after"] as const) {
      // How often b asks while others work differs from run to run: a late step may not come.
      const { crashed, final } = await dyingRun(root, { at, when });
      expect(final).toBe(plain);
      if (at < places[20]) expect(crashed).toBe(true);
    }
  }
});

it("a masked round fails, with nothing opened, where too few are left", async () => {
  const begun = await begin(root, { secureAggregation: { threshold: 3 } }, { count: 1 });
  const final = await finalOf(begun, stoppingRun(begun, ["b", "c"]));
  expect(final).toMatch(/Round 1 had 1 of 3 updates/);
});
