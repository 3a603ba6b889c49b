/**
 * A patient without T2, from a scanner's files to a dataset and to an outlined tumour: taken in where that is declared,
 * outlined by a model that was trained for it, and refused in words everywhere else.
 */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, it } from "vitest";
import { MODALITIES, makePhantom, readNifti, scanDataset, writeNifti } from "../src/imaging/index.ts";
import { temporaryFolder } from "../src/imaging/testing/sample-volumes.ts";
import { SPACING_MM, type WrittenPatient, writePatient } from "./made/dicom-patients.ts";
import { writeThresholdModel } from "./made/threshold-model.ts";

const launcher = fileURLToPath(new URL("../bin/consilium.mjs", import.meta.url));
const root = await temporaryFolder();
const [trained, untrained, dicom] = [join(root, "trained"), join(root, "untrained"), join(root, "dicom")];
let patient: WrittenPatient;

beforeAll(async () => {
  await writeThresholdModel(trained, ["t2"]);
  await writeThresholdModel(untrained);
  patient = await writePatient({ dir: dicom, index: 0, patientId: "MRN-9", study: "1.2.840.97.1", without: ["t2"] });
});

function consilium(...args: string[]): { status: number | null; said: { [key: string]: unknown } } {
  const { status, stdout } = spawnSync(process.execPath, [launcher, ...args, "--json"], { encoding: "utf8" });
  return { status, said: JSON.parse(stdout) as { [key: string]: unknown } };
}

describe("intake", () => {
  const out = join(root, "own");
  const always = ["intake", "--from", dicom, "--out", out];

  it("takes a study without T2 in where that is declared, and says so", { timeout: 600_000 }, async () => {
    const refused = consilium(...always);
    expect(refused.status).toBe(3);
    expect(refused.said).toMatchObject({ cases: [{ failure: { code: "modality-missing" } }], casesInDataset: 0 });
    const other = consilium(...always, "--may-miss", "flair");
    expect(other.said).toMatchObject({ cases: [{ failure: { code: "modality-missing" } }] });
    const done = consilium(...always, "--may-miss", "t2,flair");
    expect(done.said).toMatchObject({ cases: [{ state: "done", failure: null, missing: ["t2"] }], casesInDataset: 1 });
    expect(done.status).toBe(0);
    const record = JSON.parse(readFileSync(join(out, "intake", "cases", "P0001-1.json"), "utf8")) as never;
    expect(record).toMatchObject({ missing: ["t2"], state: "done" });
    const page = readFileSync(join(out, "intake", "index.html"), "utf8");
    expect(page).toContain("without T2, as was declared");
    expect(page).toContain("From the left: T1, T1 with contrast, FLAIR.");
    const [files] = (await scanDataset(out, { mayMiss: ["t2"] })).cases;
    expect(Object.keys(files.images)).toEqual(["t1", "t1ce", "flair"]);
    for (const path of Object.values(files.images))
      expect((await readNifti(path)).volume.dims).toEqual([240, 240, 155]);
  });

  it("makes a dataset of which `cohort check` thinks as `site data` does", { timeout: 120_000 }, () => {
    const refused = consilium("cohort", "check", out);
    expect(refused.status).toBe(3);
    expect(refused.said.error).toMatchObject({ hint: expect.stringContaining("declare that it may be missing") });
    const checked = consilium("cohort", "check", out, "--may-miss", "t2");
    expect(checked.status).toBe(0);
    expect(checked.said).toMatchObject({ usable: 1, cases: [{ missing: ["t2"], problems: [] }] });
  });
});

describe("segment", () => {
  const result = join(root, "tumour.nii.gz");
  const always = ["segment", "--out", result];

  it("takes a DICOM study without T2 with a model that was trained for that alone", { timeout: 600_000 }, async () => {
    const refused = consilium(...always, "--model", untrained, "--dicom", dicom);
    expect(refused.status).toBe(3);
    expect(refused.said.error).toMatchObject({ code: "modality-missing", actual: expect.stringContaining("no t2") });
    const [report, seg] = [join(root, "report.html"), join(root, "seg.dcm")];
    const more = ["--report", report, "--dicom-seg", seg];
    const done = consilium(...always, "--model", trained, "--dicom", dicom, ...more);
    expect(done.said).toMatchObject({ missing: ["t2"], opinions: 1 });
    expect(done.status).toBe(0);
    expect(readFileSync(report, "utf8")).toMatch(/t2/i);
    expect(readFileSync(seg).toString("latin1", 128, 132)).toBe("DICM");
    const { volume } = await readNifti(result);
    expect(volume.dims).toEqual(patient.labelMap.dims);
    let [both, sum] = [0, 0];
    volume.data.forEach((found, i) => {
      const [a, b] = [found > 0 ? 1 : 0, patient.labelMap.data[i] > 0 ? 1 : 0];
      both += a * b;
      sum += a + b;
    });
    expect((2 * both) / sum).toBeGreaterThan(0.5);
  });

  it("takes NIfTI files without T2 on the same terms", { timeout: 600_000 }, async () => {
    const phantom = makePhantom({ seed: 77, caseIndex: 0, siteIndex: 0, spacingMm: SPACING_MM });
    const named: string[] = [];
    for (const modality of MODALITIES) {
      if (modality === "t2") continue;
      const path = join(root, `${modality}.nii.gz`);
      await writeNifti(path, phantom[modality]);
      named.push(`${modality}=${path}`);
    }
    const images = ["--images", named.join(",")];
    const refused = consilium(...always, "--model", untrained, ...images);
    expect(refused.status).toBe(3);
    expect(refused.said.error).toMatchObject({ code: "modality-missing", actual: "no t2" });
    const withoutContrast = named.filter((each) => !each.startsWith("t1ce")).join(",");
    expect(consilium(...always, "--model", trained, "--images", withoutContrast).said.error).toMatchObject({
      code: "modality-missing",
      hint: expect.stringContaining("T1 with contrast is always needed"),
    });
    const twice = consilium(...always, "--model", trained, "--images", `${named.join(",")},${named[0]}`);
    expect(twice.said.error).toMatchObject({ code: "usage" });
    const done = consilium(...always, "--model", trained, ...images);
    expect(done.said).toMatchObject({ missing: ["t2"] });
    expect(done.status).toBe(0);
  });
});
