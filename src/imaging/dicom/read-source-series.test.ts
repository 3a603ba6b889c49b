/** What an object made from a series takes over from it. */
import { expect, it } from "vitest";
import { temporaryFolder } from "../testing/sample-volumes.ts";
import { readSourceSeries } from "./read-source-series.ts";
import { scanDicomFolder } from "./scan-series.ts";
import { stackFrames } from "./stack-frames.ts";
import { writeSeries } from "./testing/write-dicom.ts";

const root = await temporaryFolder();
const SLICES = 12;

it("is the patient's name in the file's own characters, the study, and every slice in its place", async () => {
  const volume = {
    dims: [4, 4, SLICES] as const,
    data: new Uint16Array(16 * SLICES),
    affineVoxelToRas: [-1, 0, 0, 5, 0, -1, 0, 6, 0, 0, 3, -20, 0, 0, 0, 1],
  };
  await writeSeries(root, volume, {
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
