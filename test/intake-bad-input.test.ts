/** Studies as archives hand them out: each is explained under its code, and none of them names its patient. */
import { mkdir, readdir, readFile, stat, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { type Tags, writeSeries } from "../src/imaging/dicom/testing/write-dicom.ts";
import type { Volume } from "../src/imaging/index.ts";
import { temporaryFolder } from "../src/imaging/testing/sample-volumes.ts";
import { type CaseRecord, type IntakeResult, runIntake } from "../src/intake/index.ts";

const VOLUME: Volume = {
  dims: [6, 5, 12],
  data: Uint16Array.from({ length: 360 }, (_, i) => i),
  affineVoxelToRas: [-0.9, 0, 0, 40, 0, -1.1, 0, 50, 0, 0, 2.5, -30, 0, 0, 0, 1],
};
const SEQUENCES: readonly (readonly [string, Tags])[] = [
  ["t1", { "0008103e": "T1", "00180080": "600", "00180081": "10", "00180020": "SE" }],
  ["t1ce", { "0008103e": "T1 post Gd", "00180080": "600", "00180081": "10", "00180020": "SE", "00180010": "Gd" }],
  ["t2", { "0008103e": "T2", "00180080": "4000", "00180081": "100" }],
  ["flair", { "0008103e": "FLAIR", "00180080": "9000", "00180081": "120", "00180082": "2500" }],
];
const NAMES = ["Müller^Jörg", "Łącka^Żaneta", "山田^太郎", "Иванов^Иван", "O'Neil^Sean"];

interface Broken {
  readonly code: string;
  readonly tags?: Readonly<Record<string, Tags>>;
  readonly tagsOfSlice?: Readonly<Record<string, (slice: number) => Tags>>;
  readonly slices?: Readonly<Record<string, number>>;
  readonly after?: (paths: Readonly<Record<string, readonly string[]>>) => Promise<void>;
}

const place = (z: number): Tags => ({ "00200032": `-40\\-50\\${z}` });

/** By what is wrong. */
const BROKEN: Readonly<Record<string, Broken>> = {
  "mixed patients": { code: "patients-mixed", tags: { t2: { "00100020": "another" } } },
  "a missing slice": {
    code: "series-incomplete",
    tagsOfSlice: { t1ce: (k) => place(-30 + 2.5 * (k < 5 ? k : k + 1)) },
  },
  "unequal gaps": { code: "geometry-invalid", tagsOfSlice: { flair: (k) => place(-30 + 2.5 * k + (k > 6 ? 1 : 0)) } },
  "two images at one place": { code: "series-refused", tagsOfSlice: { t1: (k) => place(-30 + 2.5 * (k >> 1)) } },
  "a localiser instead of T2": {
    code: "modality-missing",
    tags: { t2: { "00080008": "ORIGINAL\\PRIMARY\\LOCALIZER" } },
  },
  "a derived image": { code: "modality-missing", tags: { flair: { "00080008": "DERIVED\\SECONDARY\\MPR" } } },
  "a screenshot": { code: "modality-missing", tags: { t1: { "00080016": "1.2.840.10008.5.1.4.1.1.7" } } },
  "another modality": { code: "modality-missing", tags: { t1ce: { "00080060": "CT" } } },
  "two-dimensional only": { code: "modality-missing", slices: { t2: 3 } },
  "a contradictory name": { code: "modality-missing", tags: { t2: { "0008103e": "T1" } } },
  "a file that breaks off": {
    code: "dicom-corrupt",
    after: async ({ flair }) => truncate(flair[4], (await stat(flair[4])).size - 20),
  },
};

const root = await temporaryFolder();
let result: IntakeResult;
let byProblem: Record<string, CaseRecord>;

beforeAll(async () => {
  const from = join(root, "dicom");
  for (const [i, [problem, broken]] of Object.entries(BROKEN).entries()) {
    const study = `1.2.99.${100 + i}`;
    const paths: Record<string, readonly string[]> = {};
    for (const [s, [name, tags]] of SEQUENCES.entries()) {
      const slices = broken.slices?.[name] ?? 12;
      const volume = { ...VOLUME, dims: [6, 5, slices] as const, data: VOLUME.data.slice(0, 30 * slices) };
      paths[name] = await writeSeries(join(from, `${NAMES[i % NAMES.length]} ${i}`, problem, name), volume, {
        uid: `${study}.${s}`,
        study,
        tags: { "00100010": NAMES[i % NAMES.length], "00100020": `HOSPITAL-${i}`, ...tags, ...broken.tags?.[name] },
        ...(broken.tagsOfSlice?.[name] && { tagsOfSlice: broken.tagsOfSlice[name] }),
      });
    }
    await broken.after?.(paths);
  }
  await writeFile(join(from, "notes.txt"), "no DICOM");
  result = await runIntake({ from, out: join(root, "out"), links: join(root, "links.csv"), workers: 1 });
  byProblem = Object.fromEntries(Object.keys(BROKEN).map((problem, i) => [problem, result.records[i]]));
}, 300_000);

describe("studies that cannot be taken in", () => {
  it.each(Object.entries(BROKEN))("%s", (problem, { code }) => {
    expect(byProblem[problem].failure).toMatchObject({ towards: "recognised", code });
    expect(byProblem[problem].failure?.hint).not.toBe("");
  });

  it("are no way to do without T1 with contrast", async () => {
    await expect(
      runIntake({ from: join(root, "dicom"), out: join(root, "refused"), mayMiss: ["t2", "t1ce"], workers: 1 }),
    ).rejects.toMatchObject({ code: "usage", hint: expect.stringContaining("T1 with contrast cannot be missed") });
    expect(await readdir(root)).not.toContain("refused");
  });

  it("leave an empty dataset, a page and no table", async () => {
    expect(result.casesInDataset).toBe(0);
    expect(result.scan.passedOver.other).toBe(1);
    expect(await readdir(join(root, "out"))).toEqual(["intake"]);
    const page = await readFile(result.page, "utf8");
    for (const { code } of Object.values(BROKEN)) expect(page).toContain(code);
  });

  it("name no patient in anything but the table of links", async () => {
    const files = (await readdir(join(root, "out"), { recursive: true, withFileTypes: true })).filter((f) =>
      f.isFile(),
    );
    expect(files.length).toBeGreaterThan(Object.keys(BROKEN).length);
    for (const file of files) {
      const text = await readFile(join(file.parentPath, file.name), "utf8");
      for (const secret of [...NAMES, "HOSPITAL-", "1.2.99."]) expect(text.includes(secret), file.name).toBe(false);
    }
    // The control: the table of links is where they stand.
    expect(await readFile(join(root, "links.csv"), "utf8")).toContain("1.2.99.100");
    const { mode } = await stat(join(root, "out", "intake", "book.json"));
    expect(mode & 0o077).toBe(0);
  });

  it("keep their pseudonyms in the next run", async () => {
    const again = await runIntake({ from: join(root, "dicom"), out: join(root, "out"), workers: 1 });
    expect(again.records.map(({ caseId, subject }) => [caseId, subject])).toEqual(
      result.records.map(({ caseId, subject }) => [caseId, subject]),
    );
  });
});

describe("runIntake", () => {
  it("refuses a folder of something else, and a table of links within the dataset", async () => {
    const out = join(root, "other");
    await mkdir(out);
    await writeFile(join(out, "notes.txt"), "");
    const from = join(root, "dicom");
    await expect(runIntake({ from, out, workers: 1 })).rejects.toMatchObject({ code: "file-exists" });
    const links = join(root, "new", "links.csv");
    await expect(runIntake({ from, out: join(root, "new"), links, workers: 1 })).rejects.toMatchObject({
      code: "usage",
    });
  });
});
