/** An intake goes on with what it was begun with, and no case that is done is lost by a later run. */
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { writeSeries } from "../src/imaging/dicom/testing/write-dicom.ts";
import type { Volume } from "../src/imaging/index.ts";
import { temporaryFolder } from "../src/imaging/testing/sample-volumes.ts";
import { readRecord, writeRecord } from "../src/intake/case-record.ts";
import { type IntakeOptions, type IntakeResult, readLastingOptions, runIntake } from "../src/intake/index.ts";

const VOLUME: Volume = {
  dims: [4, 4, 12],
  data: new Uint16Array(192).fill(7),
  affineVoxelToRas: [-1, 0, 0, 0, 0, -1, 0, 0, 0, 0, 2, 0, 0, 0, 0, 1],
};
const CASE = "P0001-1";
const root = await temporaryFolder();
const [from, out, network] = ["dicom", "out", "brain.onnx"].map((name) => join(root, name));
afterAll(() => rm(root, { recursive: true, force: true }));

const run = (options: Partial<IntakeOptions> = {}): Promise<IntakeResult> =>
  runIntake({ from, out, workers: 1, ...options });

/** As if the case had been taken in. */
async function finish(): Promise<void> {
  const record = await readRecord(out, CASE);
  if (record === undefined) throw new Error("no record");
  const { failure: _, ...rest } = record;
  await writeRecord(out, { ...rest, sources: "of an earlier run", state: "done" });
}

beforeAll(async () => {
  await writeSeries(from, VOLUME, { uid: "1.1", study: "1", tags: { "0008103e": "T1 SE" } });
  await writeFile(network, "a network");
});

it("keeps its options, and a case that is done, whatever its study looks like later", async () => {
  const model = { path: network, spacingMm: 2 };
  const first = await run({ mayMiss: ["flair"], brainModel: model, noHeads: true });
  expect(first.records).toMatchObject([{ caseId: CASE, failure: { code: "modality-missing" } }]);
  const kept = { mayMiss: ["flair"], brainModel: model, noHeads: true };
  expect(await readLastingOptions(out)).toEqual(kept);

  await finish();
  const done = await readRecord(out, CASE);
  const again = await run();
  expect(await readLastingOptions(out)).toEqual(kept);
  expect(await readRecord(out, CASE)).toEqual(done);
  expect(again).toMatchObject({ casesInDataset: 1, records: [{ state: "done" }] });
  expect(again.notAgain).toMatchObject([{ caseId: CASE, error: { code: "modality-missing" } }]);

  await run({ mayMiss: ["t2"] });
  expect(await readLastingOptions(out)).toEqual({ ...kept, mayMiss: ["t2"] });
});

it("refuses another network than its cases were made with, unless it is asked for", async () => {
  const other = join(root, "other.onnx");
  await writeFile(other, "another network");
  for (const brainModel of [
    { path: other, spacingMm: 2 },
    { path: network, spacingMm: 1 },
  ]) {
    await expect(run({ brainModel })).rejects.toMatchObject({ code: "usage" });
  }
  await writeFile(network, "another network under the same name");
  await expect(run()).rejects.toMatchObject({ code: "usage", hint: expect.stringContaining("--other-options") });
  await run({ otherOptions: true });
  expect(await readLastingOptions(out)).toEqual({});
});
