import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { temporaryFolder } from "../testing/sample-volumes.ts";
import type { Volume } from "../volume.ts";
import { chooseSeries, readSeriesOverrules, scansOf } from "./choose-series.ts";
import { scanDicomFolder } from "./scan-series.ts";
import { type Tags, writeSeries } from "./testing/write-dicom.ts";

const root = await temporaryFolder();
const volume = (spacing: number): Volume => ({
  dims: [4, 4, 12],
  data: new Uint16Array(192),
  affineVoxelToRas: [-1, 0, 0, 0, 0, -1, 0, 0, 0, 0, spacing, 0, 0, 0, 0, 1],
});
const named = (description: string, more: Tags = {}): Tags => ({ "0008103e": description, ...more });

const STUDY: Record<string, { spacing: number; tags: Tags }> = {
  "1.1": { spacing: 5, tags: named("T1 SE") },
  "1.2": { spacing: 5, tags: named("T1 SE GD") },
  "1.3": { spacing: 1, tags: named("T1 MPRAGE GD") },
  "1.4": { spacing: 5, tags: named("T2 TSE") },
  "1.5": { spacing: 5, tags: named("FLAIR") },
  "1.6": { spacing: 5, tags: named("DWI") },
};

async function study(name: string, change: typeof STUDY = {}) {
  const dir = join(root, name);
  await mkdir(dir);
  for (const [uid, { spacing, tags }] of Object.entries({ ...STUDY, ...change })) {
    await writeSeries(join(dir, uid), volume(spacing), { uid, study: "1", tags });
  }
  return dir;
}

describe("chooseSeries", () => {
  it("takes of two the finer, and says why of each", async () => {
    const { studies } = await scanDicomFolder(await study("plain"));
    const { stacks, verdicts } = chooseSeries(studies[0], new Map(), "case");
    expect(stacks.t1ce.affineVoxelToRas[10]).toBe(1);
    expect(verdicts.map(({ series, modality, used }) => [series.series, modality, used])).toEqual([
      ["1.1", "t1", true],
      ["1.2", "t1ce", false],
      ["1.3", "t1ce", true],
      ["1.4", "t2", true],
      ["1.5", "flair", true],
      ["1.6", undefined, false],
    ]);
  });

  it("lets a table overrule, and says what is missing", async () => {
    const { studies } = await scanDicomFolder(
      await study("odd", { "1.5": { spacing: 5, tags: named("Series five") } }),
    );
    expect(() => chooseSeries(studies[0], new Map(), "case")).toThrow(/no flair; recognised: t1, t1ce, t1ce, t2/);
    const table = join(root, "series.csv");
    await writeFile(table, "series,use\n1.5,flair\n1.3,no\n");
    const { stacks } = chooseSeries(studies[0], await readSeriesOverrules(table), "case");
    expect(stacks.t1ce.affineVoxelToRas[10]).toBe(5);
    await writeFile(table, "series,use\n1.5,t3\n");
    await expect(readSeriesOverrules(table)).rejects.toMatchObject({ code: "dataset-invalid" });
  });

  it("of a series of two echoes that a table names, uses the echo that fits", async () => {
    const dir = await study("echoes");
    // The shorter echo comes first, so that the order of stacks decides nothing.
    for (const [echo, uid] of [
      ["15", "0"],
      ["100", "9"],
    ]) {
      await writeSeries(join(dir, `pd-${echo}`), volume(5), {
        uid: "1.4",
        study: "1",
        tags: named("T2 TSE", { "00180081": echo }),
        tagsOfSlice: (slice) => ({ "00080018": `1.4.${uid}.${slice}` }),
      });
    }
    await rm(join(dir, "1.4"), { recursive: true });
    const { studies } = await scanDicomFolder(dir);
    const { stacks } = chooseSeries(studies[0], new Map([["1.4", "t2"]]), "case");
    expect(stacks.t2?.frames[0].frame.echoTimeMs).toBe(100);
    // The control: the table's word comes first where the series are two.
    const said = chooseSeries(
      studies[0],
      new Map([["1.4", "no"] as const, ["1.5", "t2"] as const, ["1.2", "flair"] as const]),
      "case",
    );
    expect(said.stacks.t2?.frames[0].image.series).toBe("1.5");
  });

  it("of a series exported twice under new identifiers takes one", async () => {
    const again = { spacing: 5, tags: named("T2 TSE", { "00200011": "9" }) };
    const { studies } = await scanDicomFolder(await study("twice", { "1.8": again }));
    const { stacks, verdicts } = chooseSeries(studies[0], new Map(), "case");
    expect(stacks.t2?.frames[0].image.series).toBe("1.8");
    expect(verdicts.filter(({ modality, used }) => modality === "t2" && used)).toHaveLength(1);
  });

  it("does without a scan where that is declared, but not without T1 with contrast, nor without an unsure one", async () => {
    const without = async (name: string, ...uids: string[]) => {
      const dir = await study(name);
      for (const uid of uids) await rm(join(dir, uid), { recursive: true });
      return (await scanDicomFolder(dir)).studies[0];
    };
    const noT2 = await without("no t2", "1.4");
    expect(() => chooseSeries(noT2, new Map(), "case")).toThrow(/no t2; .*declared, not guessed/);
    expect(() => chooseSeries(noT2, new Map(), "case", ["flair"])).toThrow(/series of t1, t1ce, t2, flair, got no t2/);
    const { stacks, missing } = chooseSeries(noT2, new Map(), "case", ["t2", "flair"]);
    expect(missing).toEqual(["t2"]);
    expect(scansOf(stacks).map(([modality]) => modality)).toEqual(["t1", "t1ce", "flair"]);
    const noContrast = await without("no contrast", "1.2", "1.3");
    expect(() => chooseSeries(noContrast, new Map(), "case", ["t1ce"])).toThrow(
      /no t1ce; .*T1 with contrast cannot be missed/,
    );
    const unsure = await study("unsure", {
      "1.4": { spacing: 5, tags: named("T1", { "00180080": "4000", "00180081": "100" }) },
    });
    const [doubtful] = (await scanDicomFolder(unsure)).studies;
    expect(() => chooseSeries(doubtful, new Map(), "case", ["t2"])).toThrow(/unsure/);
    expect(chooseSeries(doubtful, new Map([["1.4", "no"]]), "case", ["t2"]).missing).toEqual(["t2"]);
    // One that is broken was there.
    const broken = await study("broken t2");
    await rm(join(broken, "1.4", "IM5"));
    const [holed] = (await scanDicomFolder(broken)).studies;
    expect(() => chooseSeries(holed, new Map(), "case", ["t2"])).toThrow(/1 missing after slice 4/);
  });

  it("fails with the error of a series that was meant", async () => {
    const dir = await study("broken");
    await rm(join(dir, "1.4", "IM5"));
    const { studies } = await scanDicomFolder(dir);
    expect(() => chooseSeries(studies[0], new Map(), "case")).toThrow(/1 missing after slice 4/);
    const cut = await study("cut");
    const file = join(cut, "1.4", "IM5");
    await writeFile(file, (await readFile(file)).subarray(0, -2));
    const [damaged] = (await scanDicomFolder(cut)).studies;
    expect(() => chooseSeries(damaged, new Map(), "case")).toThrow(/^\[dicom-corrupt\] t2 series(?!.*IM5)/);
    expect(() => chooseSeries(damaged, new Map([["1.4", "no"]]), "case")).toThrow(/no t2/);
  });
});
