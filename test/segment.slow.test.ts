/**
 * From a scanner's files to an outlined tumour in real processes: `segment` on a DICOM study with a table of series and
 * a site's own brain network, and `serve` with its queue, its token and its clean end. The heads are made, and what
 * the model finds is compared with where their tumour lies; on real scans see docs/USE.md.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { encodeOnnx, float32Tensor, type Graph } from "../src/graph/index.ts";
import { MODALITIES, makePhantom, readNifti, resampleOnto, type Volume, writeNifti } from "../src/imaging/index.ts";
import { temporaryFolder } from "../src/imaging/testing/sample-volumes.ts";
import { UNMOVED } from "../src/intake/align-case.ts";
import { SPACING_MM, type WrittenPatient, writePatient } from "./made/dicom-patients.ts";
import { writeThresholdModel } from "./made/threshold-model.ts";

const launcher = fileURLToPath(new URL("../bin/consilium.mjs", import.meta.url));
const root = await temporaryFolder();
const [model, study] = [join(root, "model"), join(root, "dicom")];
const temporary = join(root, "tmp");
const SECRETS = ["MRN-17", "Someone", "1.2.840.98"];
const LEAST_DICE = 0.5;
let patient: WrittenPatient;

beforeAll(async () => {
  mkdirSync(temporary);
  await writeThresholdModel(model);
  // Its T2 says nothing of what it is, so that only a table can.
  patient = await writePatient({
    dir: study,
    index: 0,
    patientId: "MRN-17",
    study: "1.2.840.98.1",
    tagsOf: { t2: { "0008103e": "Series 3", "00180080": "", "00180081": "", "00180020": "RM" } },
  });
}, 300_000);

function consilium(...args: string[]): { status: number | null; said: Record<string, never>; stderr: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [launcher, ...args, "--json"], {
    encoding: "utf8",
    env: { ...process.env, TMPDIR: temporary },
  });
  return { status, said: JSON.parse(stdout) as Record<string, never>, stderr };
}

/** Of whole tumour, on the grid that it came on. */
async function diceAt(path: string): Promise<number> {
  const { volume } = await readNifti(path);
  expect(volume.dims).toEqual(patient.labelMap.dims);
  volume.affineVoxelToRas.forEach((value, i) => expect(value).toBeCloseTo(patient.labelMap.affineVoxelToRas[i], 4));
  let [both, sum] = [0, 0];
  volume.data.forEach((found, i) => {
    const [a, b] = [found > 0 ? 1 : 0, patient.labelMap.data[i] > 0 ? 1 : 0];
    both += a * b;
    sum += a + b;
  });
  return (2 * both) / sum;
}

/** A network that answers the true brain whatever it is shown: where its answer is put must be right. */
function writeBrainNetwork(path: string, brain: Volume<Uint8Array>, side: number, spacingMm: number): void {
  const [x, y, z] = [0, 1, 2].map(
    (axis) =>
      brain.affineVoxelToRas[4 * axis + 3] +
      [0, 1, 2].reduce((sum, c) => sum + (brain.affineVoxelToRas[4 * axis + c] * (brain.dims[c] - 1)) / 2, 0),
  );
  const half = ((side - 1) / 2) * spacingMm;
  const s = spacingMm;
  const affineVoxelToRas = [-s, 0, 0, x + half, 0, -s, 0, y + half, 0, 0, s, z - half, 0, 0, 0, 1];
  const grid = { dims: [side, side, side] as const, affineVoxelToRas };
  const { data } = resampleOnto({ ...brain, data: Float32Array.from(brain.data) }, grid, UNMOVED);
  const node = (opType: "Mul" | "Add", inputs: string[], output: string): Graph["nodes"][number] => ({
    opType,
    name: output,
    inputs,
    outputs: [output],
    attributes: {},
  });
  const shape = [1, 1, side, side, side];
  const graph: Graph = {
    name: "brain",
    opset: 17,
    inputs: [{ name: "head", dtype: "float32", shape }],
    outputs: [{ name: "brain", dtype: "float32", shape }],
    initializers: new Map([
      ["nothing", float32Tensor([], [0])],
      ["answer", float32Tensor(shape, data)],
    ]),
    nodes: [node("Mul", ["head", "nothing"], "none"), node("Add", ["none", "answer"], "brain")],
  };
  writeFileSync(path, encodeOnnx(graph));
}

describe("segment --dicom", () => {
  const out = join(root, "tumour.nii.gz");
  const always = ["segment", "--model", model, "--dicom", study, "--out", out];

  it("does not guess what a series is, and takes it from a table that intake wrote and a person corrected", {
    timeout: 600_000,
  }, async () => {
    const refused = consilium(...always);
    expect(refused.status).toBe(3);
    expect(refused.said.error).toMatchObject({ code: "modality-missing", hint: expect.stringContaining("--series") });
    const links = join(root, "links.csv");
    expect(consilium("intake", "--from", study, "--out", join(root, "own"), "--links", links).status).toBe(3);
    const table = readFileSync(links, "utf8");
    const corrected = table.replace(/"1\.2\.840\.98\.1\.3","no"/, '"1.2.840.98.1.3","t2"');
    expect(corrected).not.toBe(table);
    writeFileSync(links, corrected);
    // T1 is one of the finest series: its brain lies where T1 was scanned.
    const brain = join(root, "brain.onnx");
    writeBrainNetwork(brain, patient.brainInT1, 120, 2);
    const objects = ["--dicom-seg", join(root, "seg.dcm"), "--rtstruct", join(root, "rt.dcm")];
    const done = consilium(...always, "--series", links, "--brain-model", brain, ...objects);
    expect(done.status, JSON.stringify(done.said)).toBe(0);
    expect(await diceAt(out)).toBeGreaterThan(LEAST_DICE);
    for (const file of ["seg.dcm", "rt.dcm"]) {
      const bytes = readFileSync(join(root, file));
      expect(bytes.toString("latin1", 128, 132)).toBe("DICM");
      expect(bytes.includes("MRN-17")).toBe(true);
    }
    expect(readdirSync(temporary)).toEqual([]);
  });
});

describe("serve", () => {
  let server: ChildProcess | undefined;
  let ended: Promise<number | null>;
  let url = "";
  let stderr = "";
  const token = join(root, "serve.token");

  async function start(): Promise<void> {
    const args = ["serve", "--model", model, "--token", token, "--port", "0"];
    const env = { ...process.env, TMPDIR: temporary };
    const child = spawn(process.execPath, [launcher, ...args], { stdio: ["ignore", "pipe", "pipe"], env });
    ended = new Promise((resolve) => child.on("close", resolve));
    server = child;
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on("data", (data: Buffer) => {
        stderr += data.toString();
      });
    }
    await expect.poll(() => stderr, { timeout: 60_000 }).toMatch(/Serving on http:\/\/127\.0\.0\.1:\d+/);
    url = `${/http:\/\/127\.0\.0\.1:\d+/.exec(stderr)?.[0]}/v1/jobs`;
  }
  afterAll(() => server?.kill("SIGKILL"));

  async function call(method: string, path: string, body?: string | Buffer): Promise<Response> {
    const headers = { authorization: `Bearer ${readFileSync(token, "utf8").trim()}` };
    return fetch(`${url}${path}`, { method, headers, ...(body !== undefined && { body }) });
  }
  async function open(kind: string, files: readonly (readonly [string, string])[]): Promise<string> {
    const { id } = (await (await call("POST", "", JSON.stringify({ kind }))).json()) as { id: string };
    for (const [name, path] of files) {
      expect((await call("PUT", `/${id}/files/${name}`, readFileSync(path))).status).toBe(204);
    }
    expect((await call("POST", `/${id}/start`)).status).toBe(202);
    return id;
  }
  const stateOf = async (id: string): Promise<{ state: string; position: number; outcome: never }> =>
    (await (await call("GET", `/${id}`)).json()) as { state: string; position: number; outcome: never };
  const until = (id: string, state: string): Promise<void> =>
    expect.poll(async () => (await stateOf(id)).state, { timeout: 400_000, interval: 500 }).toBe(state);

  it("outlines a DICOM study and four NIfTI files, one after the other, and explains what it cannot", {
    timeout: 900_000,
  }, async () => {
    await start();
    expect((await fetch(url, { method: "POST", body: '{"kind":"dicom"}' })).status).toBe(401);
    const plain = join(root, "plain");
    await writePatient({ dir: plain, index: 0, patientId: "MRN-17", study: "1.2.840.98.2" });
    const dicom = MODALITIES.flatMap((modality) =>
      readdirSync(join(plain, modality)).map((name) => [`${modality}-${name}`, join(plain, modality, name)] as const),
    );
    const phantom = makePhantom({ seed: 77, caseIndex: 0, siteIndex: 0, spacingMm: SPACING_MM });
    const scans: (readonly [string, string])[] = [];
    for (const modality of MODALITIES) {
      const path = join(root, `${modality}.nii.gz`);
      await writeNifti(path, phantom[modality]);
      scans.push([`${modality}.nii.gz`, path]);
    }
    const first = await open("dicom", dicom);
    const second = await open("nifti", scans);
    const third = await open(
      "dicom",
      dicom.filter(([name]) => !name.startsWith("flair")),
    );
    expect([await stateOf(first), await stateOf(second), await stateOf(third)]).toMatchObject([
      { state: "working", position: 0 },
      { state: "waiting", position: 1 },
      { state: "waiting", position: 2 },
    ]);
    await until(first, "done");
    expect((await stateOf(first)).outcome).toMatchObject({ volumesMl: { WT: expect.any(Number) }, opinions: 1 });
    const labels = join(root, "served.nii.gz");
    writeFileSync(labels, Buffer.from(await (await call("GET", `/${first}/results/label-map.nii.gz`)).arrayBuffer()));
    expect(await diceAt(labels)).toBeGreaterThan(LEAST_DICE);
    for (const name of ["segmentation.dcm", "structures.dcm"]) {
      const bytes = Buffer.from(await (await call("GET", `/${first}/results/${name}`)).arrayBuffer());
      expect(bytes.toString("latin1", 128, 132)).toBe("DICM");
      for (const part of ["MRN-17", "1.2.840.98.2"]) expect(bytes.includes(part), name).toBe(true);
    }
    expect(await (await call("GET", `/${first}/results/report.html`)).text()).toContain("Not a medical device");
    await until(second, "done");
    expect((await call("GET", `/${second}/results/label-map.nii.gz`)).status).toBe(200);
    expect((await call("GET", `/${second}/results/segmentation.dcm`)).status).toBe(404);
    await until(third, "failed");
    expect((await stateOf(third)).outcome).toMatchObject({ error: { code: "modality-missing" } });
    expect((await call("DELETE", `/${first}`)).status).toBe(204);
    expect((await call("GET", `/${first}/results/label-map.nii.gz`)).status).toBe(404);
  });

  it("ends in order with its work undone, and leaves and tells nothing of a patient's", async () => {
    const last = await open("dicom", [["IM1", join(study, "t1", "IM1")]]);
    expect((await stateOf(last)).state).not.toBe("receiving");
    server?.kill("SIGTERM");
    await ended;
    expect(readdirSync(temporary)).toEqual([]);
    for (const secret of SECRETS) expect(stderr.includes(secret)).toBe(false);
  });
});
