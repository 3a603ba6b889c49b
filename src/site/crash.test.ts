/** A sample of the deaths that `crash.slow.test.ts` goes through one by one. */
import { rm } from "node:fs/promises";
import { join } from "node:path";
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

it("the undisturbed run takes every kind of step", () => {
  expect(undisturbed.crashed).toBe(false);
  for (const kind of [
    "write sequence",
    "write round",
    "write evaluation",
    "append",
    "keep",
    "retain",
    "exchange",
    "send",
    "fetch",
  ]) {
    expect(undisturbed.steps).toContain(kind);
  }
});

it.each([
  ["before", "write round", 1],
  ["after", "write round", 1],
  ["after", "write round", 2],
  ["after", "keep", 1],
  ["before", "send", 0],
  ["after", "send", 0],
  ["after", "exchange", 4],
] as const)("a site that dies %s %s (number %i) ends with the same model", async (when, kind, nth) => {
  const positions = undisturbed.steps.flatMap((step, i) => (step === kind ? [i] : []));
  const record = await crashedRun(root, { at: positions[nth], when });
  expect(record.crashed).toBe(true);
  expect(record.finalSha256).toBe(undisturbed.finalSha256);
  expect(record.updates).toEqual(undisturbed.updates);
});

it("a site whose state was lost with it does not (control)", async () => {
  const begins = undisturbed.steps.flatMap((step, i) => (step === "write round" ? [i] : []));
  const record = await crashedRun(root, { at: begins[2], when: "after" }, (home, studyHash) =>
    rm(join(home, "study", studyHash, "round.json")),
  );
  expect(record.crashed).toBe(true);
  expect(record.finalSha256).not.toBe(undisturbed.finalSha256);
});
