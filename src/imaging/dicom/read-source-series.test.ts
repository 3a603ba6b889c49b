/** What an object made from a series takes over from it. */
import { join } from "node:path";
import { expect, it } from "vitest";
import { temporaryFolder } from "../testing/sample-volumes.ts";
import { readSourceSeries } from "./read-source-series.ts";
import { scanDicomFolder } from "./scan-series.ts";
import { stackFrames } from "./stack-frames.ts";
import { type Tags, writeSeries } from "./testing/write-dicom.ts";

const root = await temporaryFolder();
const SLICES = 12;
const VOLUME = {
  dims: [4, 4, SLICES] as const,
  data: new Uint16Array(16 * SLICES),
  affineVoxelToRas: [-1, 0, 0, 5, 0, -1, 0, 6, 0, 0, 3, -20, 0, 0, 0, 1],
};

it("is the patient's name in the file's own characters, the study, and every slice in its place", async () => {
  await writeSeries(root, VOLUME, {
    uid: "1.2.5",
    study: "1.2",
    tags: { "00080005": "ISO_IR 192", "00100010": "Wang^XiaoDong=王^小東", "00100020": "4711" },
  });
  const { studies } = await scanDicomFolder(root);
  const source = await readSourceSeries(stackFrames(studies[0].series[0].frames, "series"));
  expect(source.patient).toEqual({ name: "Wang^XiaoDong=王^小東", id: "4711", birthDate: "", sex: "" });
  expect([source.study.instanceUid, source.seriesInstanceUid]).toEqual(["1.2", "1.2.5"]);
  expect(source.slices.map(({ sopInstanceUid, position }) => [sopInstanceUid, position[2]])).toEqual(
    Array.from({ length: SLICES }, (_, k) => [`1.2.5.${k + 1}`, -20 + 3 * k]),
  );
});

async function frameOfReferenceOf(uid: string, tags: Tags): Promise<string> {
  const dir = join(root, `frame-${uid}-${Object.keys(tags).length}`);
  await writeSeries(dir, VOLUME, { uid, study: "1.2", tags });
  const { studies } = await scanDicomFolder(dir);
  return (await readSourceSeries(stackFrames(studies[0].series[0].frames, "series"))).frameOfReferenceUid;
}

it("has the series' frame of reference, or one of the series' own where its files name none", async () => {
  expect(await frameOfReferenceOf("1.2.6", { "00200052": "1.2.99" })).toBe("1.2.99");
  const own = await frameOfReferenceOf("1.2.6", { "00200052": "" });
  // PS3.5, 9.1 and B.2: at most 64 characters, 2.25 and a UUID in decimal, without a leading zero.
  expect(own).toMatch(/^2\.25\.[1-9]\d{0,38}$/);
  expect(await frameOfReferenceOf("1.2.6", { "00200052": "", "00100010": "Another^Run" })).toBe(own);
  expect(await frameOfReferenceOf("1.2.7", { "00200052": "" })).not.toBe(own);
});
