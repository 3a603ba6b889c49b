/**
 * What a person sees: command lines with their output and exit codes, run through the launcher.
 *
 * In a transcript `$ ` begins a command, lines after it are standard output, `! ` marks standard error and `? ` the
 * exit code where it is not 0. `…` stands for any text within a line. With CONSILIUM_UPDATE_TRANSCRIPTS=1 the files
 * are written anew: look at the difference before you keep it.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { encodeOnnx, type GraphNode } from "../src/graph/index.ts";
import { type Volume, writeNifti } from "../src/imaging/index.ts";
import { unet3d } from "../src/networks/index.ts";

const launcher = fileURLToPath(new URL("../bin/consilium.mjs", import.meta.url));
const folder = fileURLToPath(new URL("transcripts/", import.meta.url));
const updating = process.env.CONSILIUM_UPDATE_TRANSCRIPTS === "1";
let work = "";

const SIDE = 12;

const EXPIRED = {
  schema: "consilium.invitation/1",
  federation: "Test federation",
  address: "127.0.0.1:1",
  caFingerprint: "0".repeat(64),
  invitationId: "0".repeat(32),
  siteId: "upenn",
  secret: "A".repeat(43),
  expiresMs: Date.UTC(2020, 0, 1),
};

async function plant(path: string, change: (data: Float32Array) => void = () => {}, originX = 0): Promise<void> {
  const data = new Float32Array(SIDE ** 3).map((_, i) => 1 + (i % 97));
  change(data);
  const volume: Volume = {
    dims: [SIDE, SIDE, SIDE],
    data,
    affineVoxelToRas: [1, 0, 0, originX, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1],
  };
  await writeNifti(join(work, path), volume);
}

async function plantCase(id: string, labels: readonly number[] = [0, 1, 2, 4]): Promise<void> {
  mkdirSync(join(work, id), { recursive: true });
  const name = id.split("/").at(-1);
  for (const modality of ["t1", "t1ce", "t2", "flair"]) await plant(`${id}/${name}_${modality}.nii.gz`);
  await plant(`${id}/${name}_seg.nii.gz`, (data) => data.forEach((_, i) => data.set([labels[i % labels.length]], i)));
}

/** A network that trains, and the same with an operator that nobody knows and with one whose gradient is missing. */
function plantModels(): void {
  const options = {
    inputChannels: 4,
    classes: 4,
    stem: 1,
    detail: false,
    mirror: false,
    levels: 3,
    baseFeatures: 8,
    maxFeatures: 320,
    seed: 1,
  };
  const network = unet3d(options);
  const last = network.nodes.length - 1;
  const ending = (node: Omit<GraphNode, "inputs" | "outputs">): GraphNode[] => [
    ...network.nodes.with(last, { ...network.nodes[last], outputs: ["head.out"] }),
    { ...node, inputs: ["head.out"], outputs: ["logits"] },
  ];
  const foreign = "MeanVarianceNormalization" as GraphNode["opType"];
  const diagonal = { equation: { kind: "string" as const, value: "nkddd->nkddd" } };
  writeFileSync(join(work, "unet.onnx"), encodeOnnx(network));
  const unknown = ending({ opType: foreign, name: "normalise", attributes: {} });
  writeFileSync(join(work, "unknown.onnx"), encodeOnnx({ ...network, nodes: unknown }));
  const refused = ending({ opType: "Einsum", name: "corner", attributes: diagonal });
  writeFileSync(join(work, "diagonal.onnx"), encodeOnnx({ ...network, nodes: refused }));
}

beforeAll(async () => {
  work = mkdtempSync(join(tmpdir(), "consilium-transcripts-"));
  plantModels();
  mkdirSync(join(work, "empty"));
  await plantCase("good/case1");
  await plantCase("good/case2");
  // Two models' predictions: one as the reference, one that takes the enhancing rim for necrosis in every other voxel.
  for (const id of ["case1", "case2"]) {
    for (const [model, ratio] of [
      ["same", 1],
      ["other", 2],
    ] as const) {
      mkdirSync(join(work, "predictions", model), { recursive: true });
      await plant(`predictions/${model}/${id}.nii.gz`, (data) =>
        data.forEach((_, i) => data.set([i % 4 === 3 && Math.floor(i / 4) % ratio > 0 ? 1 : [0, 1, 2, 4][i % 4]], i)),
      );
    }
  }
  mkdirSync(join(work, "predictions/none"));
  await plantCase("operated/first", [0, 1, 2, 3, 4]);
  await plantCase("operated/second", [0, 1, 2, 3]);
  // As BraTS 2024 names it, with a cavity and no enhancing tumour.
  await plant("operated/third-seg.nii.gz", (data) => data.forEach((_, i) => data.set([[0, 1, 2, 4][i % 4]], i)));
  const row = (id: string, subject: string, timepoint: number): string =>
    [
      id,
      subject,
      timepoint,
      ...["t1", "t1ce", "t2", "flair", "seg"].map((role) => `${id}/${id}_${role}.nii.gz`),
    ].join();
  mkdirSync(join(work, "described"));
  for (const id of ["first", "second"]) symlinkSync(join(work, "operated", id), join(work, "described", id));
  writeFileSync(
    join(work, "described/dataset.csv"),
    ["case,subject,timepoint,t1,t1ce,t2,flair,seg", row("first", "P1", 1), row("second", "P1", 2)].join("\n"),
  );
  mkdirSync(join(work, "misspelt"));
  writeFileSync(join(work, "misspelt/dataset.csv"), "case,subject,t1,tl1ce,t2,flair,seg\n");
  writeFileSync(join(work, "sites.csv"), "case,site\ncase1,north\ncase2,south\n");
  for (const id of ["cut", "missing", "moved", "nan", "negative", "strange"])
    await plantCase(`bad/${id}`, id === "strange" ? [0, 7] : undefined);
  const cut = join(work, "bad/cut/cut_t2.nii.gz");
  writeFileSync(cut, readFileSync(cut).subarray(0, 200));
  rmSync(join(work, "bad/missing/missing_flair.nii.gz"));
  await plant("bad/moved/moved_t1.nii.gz", undefined, 3);
  await plant("bad/nan/nan_t1.nii.gz", (data) => data.fill(Number.NaN, 0, 1));
  await plant("bad/negative/negative_t1.nii.gz", (data) => data.forEach((value, i) => data.set([-value], i)));
  writeFileSync(
    join(work, "unknown-key.yaml"),
    readFileSync(join(folder, "study.yaml"), "utf8").replace("rounds:", "round:"),
  );
  writeFileSync(join(work, "expired.invitation"), JSON.stringify(EXPIRED));
  writeFileSync(join(work, "study.yaml"), readFileSync(join(folder, "study.yaml")));
}, 60_000);
afterAll(() => rmSync(work, { recursive: true, force: true }));

const transcripts = readdirSync(folder).filter((name) => name.endsWith(".txt"));

test("there are transcripts", () => expect(transcripts.length).toBeGreaterThan(0));

test.each(transcripts)(
  "%s",
  (name) => {
    const expected = readFileSync(join(folder, name), "utf8");
    const commands = expected.split("\n").filter((line) => line.startsWith("$ "));
    expect(commands.length).toBeGreaterThan(0);
    const actual = commands.map((line) => `${line}\n${play(line.slice("$ consilium ".length))}`).join("\n");
    const wanted = expected.split("\n");
    // A line that fits the pattern in its place is shown as the pattern, so that a difference stands out.
    const got = actual.split("\n").map((line, i) => (fits(line, wanted[i] ?? "") ? wanted[i] : line));
    if (updating) writeFileSync(join(folder, name), got.join("\n"));
    else expect(got).toEqual(wanted);
  },
  120_000,
);

function play(words: string): string {
  const args = (words.match(/"[^"]*"|\S+/g) ?? []).map((word) => word.replace(/^"|"$/g, ""));
  const { status, stdout, stderr } = spawnSync(process.execPath, [launcher, ...args], { cwd: work, encoding: "utf8" });
  // Progress shows only on a slow machine.
  const said = stderr.split("\n").filter((line) => !/: \d+ of \d+.* (left|so far)$/.test(line));
  const marked = said.slice(0, -1).map((line) => `! ${line}`.trimEnd());
  const lines = [...stdout.split("\n").slice(0, -1), ...marked, ...(status === 0 ? [] : [`? ${status}`])];
  return `${lines.join("\n")}\n`.replaceAll(work, "WORK");
}

function fits(line: string, pattern: string): boolean {
  const escaped = pattern.replace(/[.*+?^${}()|[\]\\]/g, "\\$&").replaceAll("…", ".*");
  return new RegExp(`^${escaped}$`).test(line);
}
