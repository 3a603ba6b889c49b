/** The table of series, given back as it was written. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { type Tags, writeSeries } from "../src/imaging/dicom/testing/write-dicom.ts";
import { chooseSeries, readSeriesOverrules, scanDicomFolder, type Volume } from "../src/imaging/index.ts";
import { temporaryFolder } from "../src/imaging/testing/sample-volumes.ts";
import { runIntake } from "../src/intake/index.ts";

const root = await temporaryFolder();
const VOLUME: Volume = {
  dims: [4, 4, 12],
  data: new Uint16Array(192).fill(7),
  affineVoxelToRas: [-1, 0, 0, 0, 0, -1, 0, 0, 0, 0, 2, 0, 0, 0, 0, 1],
};

it("names what was recognised in a study that was refused, each series once, and only what is wrong is to be corrected", async () => {
  const dicom = join(root, "dicom");
  const series: readonly (readonly [string, Tags])[] = [
    ["1.1", { "0008103e": "T1 SE" }],
    ["1.2", { "0008103e": "T1 SE GD" }],
    ["1.4", { "0008103e": "T2 TSE", "00180081": "15" }],
    ["1.4", { "0008103e": "T2 TSE", "00180081": "100" }],
    ["1.5", { "0008103e": "Series five" }],
  ];
  for (const [i, [uid, tags]] of series.entries()) {
    await writeSeries(join(dicom, String(i)), VOLUME, {
      uid,
      study: "1",
      tags,
      tagsOfSlice: (slice) => ({ "00080018": `${uid}.${i}.${slice}` }),
    });
  }
  const links = join(root, "links.csv");
  const { records } = await runIntake({ from: dicom, out: join(root, "out"), links, workers: 1 });
  expect(records[0].failure?.actual).toContain("no flair");
  const table = await readFile(links, "utf8");
  expect(Object.fromEntries(await readSeriesOverrules(links))).toEqual({
    "1.1": "t1",
    "1.2": "t1ce",
    "1.4": "t2",
    "1.5": "no",
  });
  await writeFile(links, table.replace('"1.5","no"', '"1.5","flair"'));
  const { studies } = await scanDicomFolder(dicom);
  const { stacks } = chooseSeries(studies[0], await readSeriesOverrules(links), "study");
  expect(stacks.flair?.frames[0].image.series).toBe("1.5");
  expect(stacks.t2?.frames[0].frame.echoTimeMs).toBe(100);
});
