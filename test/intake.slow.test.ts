/**
 * Intake as a whole, on five patients of DICOM of whom one lacks a sequence and one comes with a label map: stopped in
 * the middle, taken up again, and the dataset that comes of it. The heads are made; on a real one see docs/INTAKE.md.
 */
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import {
  applyAffine,
  checkCase,
  readNifti,
  scanDataset,
  type Triple,
  type Volume,
  writeNifti,
} from "../src/imaging/index.ts";
import { temporaryFolder } from "../src/imaging/testing/sample-volumes.ts";
import { type CaseRecord, intakeFolder, runIntake } from "../src/intake/index.ts";
import { SPACING_MM, type WrittenPatient, writePatient } from "./made/dicom-patients.ts";

const root = await temporaryFolder();
const from = join(root, "dicom");
const out = join(root, "out");

describe("intake of five patients", () => {
  it("goes on after a stop, and ends with four done and one explained", { timeout: 3_600_000 }, async () => {
    const written: WrittenPatient[] = [];
    for (let index = 0; index < 5; index++) {
      const patient = {
        dir: join(from, `Müller ${index}`),
        index,
        patientId: `MRN-${index}`,
        study: `1.2.840.99.${index}`,
      };
      written.push(await writePatient({ ...patient, ...(index === 3 && { without: ["t2"] as const }) }));
    }
    const labelMaps = { table: await drawnTable(written[0]), convention: "brats2024" } as const;
    const stop = new AbortController();
    const stopped = runIntake({
      from,
      out,
      labelMaps,
      workers: 2,
      signal: stop.signal,
      onState: (_, state) => (state === "registered" ? stop.abort(new Error("stopped")) : undefined),
    });
    await expect(stopped).rejects.toThrow("stopped");
    const before = await records();
    const result = await runIntake({ from, out, labelMaps, workers: 2 });
    // What was registered before the stop was not registered again.
    for (const [id, { seconds }] of before) {
      if (seconds.registered !== undefined)
        expect((await records()).get(id)?.seconds.registered).toBe(seconds.registered);
    }
    expect([...before.values()].some(({ seconds }) => seconds.registered !== undefined)).toBe(true);
    expect(result.records.map(({ state, failure }) => failure?.code ?? state)).toEqual([
      "done",
      "done",
      "done",
      "modality-missing",
      "done",
    ]);
    const dataset = await scanDataset(out);
    expect(dataset.cases.map(({ id, subject }) => [id, subject])).toEqual(
      [1, 2, 3, 5].map((n) => [`P000${n}-1`, `P000${n}`]),
    );
    for (const files of dataset.cases) expect(await checkCase(files, dataset.convention)).toEqual([]);
    // The brain that was found has the size of the one that was made, to a tenth.
    const made = written[0].brain.data.reduce((sum, value) => sum + value, 0) * SPACING_MM ** 3 * 1e-3;
    const found = result.records[0].checks?.brainMl ?? 0;
    expect(Math.abs(found - made) / made).toBeLessThan(0.1);
    const t1 = (await readNifti(join(out, "P0001-1", "P0001-1_t1.nii.gz"))).volume;
    expect(t1.dims).toEqual([240, 240, 155]);
    await checkLabels(result.records[0], written[0]);
    const names = await readdir(out, { recursive: true });
    expect(names.filter((name) => name.includes("Müller") || name.includes("work/P"))).toEqual([]);
    expect(await readFile(result.page, "utf8")).toContain("data:image/png;base64,");
    expect(await readFile(join(intakeFolder(out), "deidentification.md"), "utf8")).toContain("Patient's Name");
    // A third run finds nothing to do.
    const again = await runIntake({ from, out, labelMaps, workers: 2 });
    expect(again.records.map(({ seconds }) => seconds)).toEqual(result.records.map(({ seconds }) => seconds));
  });
});

/** Drawn on T2 as it was scanned, enhancing tumour as 3, a cavity as 4. */
async function drawnTable({ labelMapInT2 }: WrittenPatient): Promise<string> {
  const data = labelMapInT2.data.slice();
  data[0] = 4;
  await writeNifti(join(root, "drawn.nii.gz"), { ...labelMapInT2, data });
  const table = join(root, "drawn.csv");
  await writeFile(table, "study,file\n1.2.840.99.0,drawn.nii.gz\n");
  return table;
}

/** Its label map lies in the dataset where the tumour lies, with the dataset's own numbers. */
async function checkLabels({ labels, atlasToReference }: CaseRecord, { labelMap }: WrittenPatient): Promise<void> {
  expect(labels).toMatchObject({
    convention: "brats2024",
    on: "t2",
    cavityMl: expect.closeTo(SPACING_MM ** 3 / 1000, 5),
  });
  const { drawnMl = 0, keptMl = 0, outsideBrain = 1 } = labels ?? {};
  expect(keptMl / drawnMl).toBeGreaterThan(0.9);
  expect(keptMl / drawnMl).toBeLessThan(1.05);
  expect(outsideBrain).toBeLessThan(0.1);
  const { volume } = await readNifti(join(out, "P0001-1", "P0001-1_seg.nii.gz"));
  expect([...new Set(volume.data)].sort()).toEqual([0, 1, 2, 4]);
  const onScan = applyAffine(atlasToReference as readonly number[], centreOf(volume));
  const apart = Math.hypot(...centreOf(labelMap).map((x, axis) => x - onScan[axis]));
  expect(apart).toBeLessThan(SPACING_MM / 2);
}

function centreOf({ dims, data, affineVoxelToRas }: Volume): Triple {
  const sums = [0, 0, 0];
  let count = 0;
  for (let i = 0; i < data.length; i++) {
    if (data[i] === 0) continue;
    sums[0] += i % dims[0];
    sums[1] += Math.floor(i / dims[0]) % dims[1];
    sums[2] += Math.floor(i / (dims[0] * dims[1]));
    count++;
  }
  return applyAffine(affineVoxelToRas, sums.map((sum) => sum / count) as unknown as Triple);
}

async function records(): Promise<ReadonlyMap<string, { seconds: Record<string, number> }>> {
  const folder = join(intakeFolder(out), "cases");
  const found = new Map<string, { seconds: Record<string, number> }>();
  for (const name of await readdir(folder)) {
    if (!name.endsWith(".json")) continue;
    found.set(name.slice(0, -5), JSON.parse(await readFile(join(folder, name), "utf8")));
  }
  return found;
}
