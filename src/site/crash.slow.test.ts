/** A death at every step that changes the disk or goes over the line, before and after it. */
import { rm } from "node:fs/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import { crashedRun, type RunRecord } from "./testing/crash-suite.ts";
import { temporaryFolder } from "./testing/test-site.ts";

let root: string;
let undisturbed: RunRecord;
beforeAll(async () => {
  root = await temporaryFolder();
  undisturbed = await crashedRun(root);
});
afterAll(() => rm(root, { recursive: true, force: true }));

it("a site that dies at any step ends with the same model and sends the same updates", async () => {
  const disturbed: string[] = [];
  for (const when of ["before", "after"] as const) {
    for (const [at, step] of undisturbed.steps.entries()) {
      const record = await crashedRun(root, { at, when });
      expect(record.crashed, `${when} step ${at}, ${step}`).toBe(true);
      if (record.finalSha256 !== undisturbed.finalSha256) disturbed.push(`${when} step ${at}, ${step}: another model`);
      for (const [round, sha256] of undisturbed.updates) {
        if (record.updates.get(round) !== sha256) disturbed.push(`${when} step ${at}, ${step}: another update`);
      }
    }
  }
  expect(disturbed).toEqual([]);
  expect(undisturbed.steps.length).toBeGreaterThan(30);
});
