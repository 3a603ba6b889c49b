/**
 * No identifier of a patient comes out of intake: they are planted in the elements, folders and names of DICOM files, one
 * patient fails and one goes on until the first state with images is on disk, and every file that intake wrote, its
 * answer and its errors are searched, inside of compressed files too.
 */
import { mkdir, readdir, readFile, rename, rm, stat, truncate, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { gunzipSync } from "node:zlib";
import { afterAll, expect, it } from "vitest";
import { temporaryFolder } from "../src/imaging/testing/sample-volumes.ts";
import { identifyingElements } from "../src/intake/identifying-elements.ts";
import { intakeFolder, runIntake } from "../src/intake/index.ts";
import { writePatient } from "./made/dicom-patients.ts";

const PLANTED = ["Mustermann", "PID4711", "19570311", "Herzog", "Ward7B", "ACC0815", "Lindenallee"];
const STUDY = "1.2.840.4711.1957";
const TAGS = {
  "00080020": "19570311",
  "00080050": "ACC0815",
  "00080080": "Ward7B",
  "00080090": "Herzog^Anna",
  "00081010": "Ward7B",
  "00081030": "Brain of Mustermann",
  "00081070": "Herzog^Anna",
  "00091010": "Mustermann",
  "00100010": "Mustermann^Erika",
  "00100030": "19570311",
  "00101000": "PID4711",
  "00101040": "Lindenallee 3",
  "00104000": "Mustermann fears scanners",
  "00181030": "Herzog",
  "00204000": "Lindenallee",
};

const root = await temporaryFolder();
afterAll(() => rm(root, { recursive: true, force: true }));

async function writePlanted(index: number, without?: readonly "t2"[]): Promise<string> {
  const from = join(root, `from-${index}`);
  const dir = join(from, "Ward7B", `Mustermann_PID4711-${index}_19570311`);
  const patientId = `PID4711-${index}`;
  await writePatient({ dir, index, patientId, study: `${STUDY}.${index}`, tags: TAGS, ...(without && { without }) });
  await writeFile(join(dir, "Mustermann_19570311.dcm"), "no DICOM at all");
  return from;
}

function identifiersIn(text: Uint8Array | string): string[] {
  const bytes = Buffer.from(text);
  const all = [bytes, ...(bytes[0] === 0x1f && bytes[1] === 0x8b ? [gunzipSync(bytes)] : [])];
  const found = all.map((each) => each.toString("latin1").toLowerCase()).join("\n");
  return [...PLANTED, STUDY].filter((each) => found.includes(each.toLowerCase()));
}

async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}

async function expectClean(out: string): Promise<readonly string[]> {
  const files = await filesBelow(out);
  for (const file of files) {
    expect([file, identifiersIn(file.slice(out.length)), identifiersIn(await readFile(file))]).toEqual([file, [], []]);
  }
  return files.map((file) => file.slice(out.length));
}

it("identifiers of DICOM files are in nothing that intake writes or says of a patient without T2", async () => {
  const from = await writePlanted(1, ["t2"]);
  // The control: the search finds what was planted, in a file and in the names of folders.
  const sources = await filesBelow(from);
  const scan = sources.find((file) => file.includes("t1ce")) ?? "";
  expect(identifiersIn(await readFile(scan))).toEqual([...PLANTED, STUDY]);
  expect(identifiersIn(scan)).toEqual(["Mustermann", "PID4711", "19570311", "Ward7B"]);
  const out = join(root, "out-1");
  const result = await runIntake({ from, out, workers: 1 });
  expect(result.records[0].failure?.code).toBe("modality-missing");
  expect(identifiersIn(JSON.stringify(result).replaceAll(root, ""))).toEqual([]);
  const files = await expectClean(out);
  expect(files).toContain(join("/", "intake", "deidentification.md"));
});

it("nor are names of scans whose pixels are broken or cannot be read", async () => {
  const from = await writePlanted(5);
  const tagsOf = { t2: { "00280004": "PALETTE COLOR" } };
  const dir = join(from, "Herzog");
  await writePatient({ dir, index: 6, patientId: "PID4711-6", study: `${STUDY}.6`, tags: TAGS, tagsOf });
  const scans = (await filesBelow(from)).filter((file) => !file.endsWith("19570311.dcm"));
  for (const [i, file] of scans.entries()) {
    const named = join(dirname(file), `Mustermann_${i}.dcm`);
    await rename(file, named);
    if (named.includes("Ward7B") && named.includes("flair")) await truncate(named, (await stat(named)).size - 10);
  }
  const out = join(root, "out-5");
  const result = await runIntake({ from, out, workers: 1 });
  const failures = result.records.map(({ failure }) => `${failure?.towards} ${failure?.code} ${failure?.subject}`);
  expect(failures.sort()).toEqual([
    "converted dicom-unsupported t2, slice 1",
    "recognised dicom-corrupt flair series 4",
  ]);
  const broken = join(from, "Ward7B", "Mustermann_none.dcm");
  await writeFile(broken, `${"\0".repeat(128)}DICM\x08\x00\x05\x00ISO`);
  await expect(identifyingElements([broken])).rejects.toMatchObject({ code: "dicom-corrupt", subject: "DICOM file" });
  expect(identifiersIn(JSON.stringify(result).replaceAll(root, ""))).toEqual([]);
  await expectClean(out);
});

it("nor are names of label maps that are missing or broken", async () => {
  const from = await writePlanted(3);
  await writePlanted(4).then((other) => rename(join(other, "Ward7B"), join(from, "Ward7B-4")));
  const out = join(root, "out-3");
  const maps = join(from, "Mustermann_PID4711");
  await mkdir(maps);
  await writeFile(join(maps, "Herzog_19570311.nii.gz"), "no NIfTI at all");
  const table = join(root, "drawn.csv");
  const lines = [
    `${STUDY}.3,${join(maps, "Herzog_19570311.nii.gz")}`,
    `${STUDY}.4,${join(maps, "Herzog_none.nii.gz")}`,
  ];
  await writeFile(table, `study,file\n${lines.join("\n")}\n`);
  const result = await runIntake({ from, out, workers: 1, labelMaps: { table, convention: "brats2021" } });
  const failures = result.records.map(({ failure }) => failure);
  expect(failures.map((failure) => failure?.subject)).toEqual(["label map", "label map"]);
  expect(failures.map((failure) => failure?.towards).sort()).toEqual(["converted", "recognised"]);
  expect(identifiersIn(JSON.stringify(result).replaceAll(root, ""))).toEqual([]);
  expect((await expectClean(out)).some((file) => file.endsWith(".html"))).toBe(true);
});

it("nor in images, pictures and records of a patient who is taken in", async () => {
  const from = await writePlanted(2);
  const out = join(root, "out-2");
  const stop = new AbortController();
  const states: string[] = [];
  const stopped = runIntake({
    from,
    out,
    workers: 1,
    signal: stop.signal,
    onState(caseId, state) {
      states.push(`${caseId} ${state}`);
      if (state === "converted") stop.abort(new Error("stopped"));
    },
  });
  await expect(stopped).rejects.toThrow("stopped");
  expect(states).toContain("P0001-1 converted");
  const files = await expectClean(out);
  expect(files.filter((file) => file.endsWith(".nii")).length).toBe(4);
  const record = await readFile(join(intakeFolder(out), "cases", "P0001-1.json"), "utf8");
  expect(JSON.parse(record).identifying).toEqual(expect.arrayContaining(["Patient's Name", "Patient's Birth Date"]));
});
