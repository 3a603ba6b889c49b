/**
 * `consilium segment` on a whole case of 240 x 240 x 155 voxels and four scans with UNet3D of base 16, beside PyTorch doing
 * the same: start, files, z-scores, windows of 96^3 with overlap 0.5 over the brain, label map. Each is a process of its
 * own; they take turns, and their label maps must agree.
 *
 *   npx tsx bench/segment-case.ts --python PYTHON [--case DIR] [--runs 3] [--threads 2]
 *
 * PYTHON is an interpreter with PyTorch, NumPy and nibabel. Without --case the case is a phantom. The network's weights are
 * drawn, not trained: time does not depend on them. Time and peak memory of a process are read from /proc (Linux).
 */
import { spawn } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { caseFileName, MODALITIES, makePhantom, readNifti, scanDataset, writeNifti } from "../src/imaging/index.ts";
import { networkOfStudy } from "../src/networks/index.ts";
import { writeModelFolder } from "../src/segmentation/index.ts";
import { parseStudy } from "../src/study/index.ts";
import { networkParameters } from "../src/training/index.ts";

const { values } = parseArgs({
  options: {
    python: { type: "string" },
    case: { type: "string" },
    runs: { type: "string", default: "3" },
    threads: { type: "string", default: "2" },
  },
});
const root = fileURLToPath(new URL("..", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "consilium-bench-"));
const [BASE, LEVELS, SIDE] = [16, 4, 96];
const TICKS_A_SECOND = 100;
const AGREEMENT = 0.999;

interface Turn {
  readonly seconds: number;
  readonly processorSeconds: number;
  readonly peakMb: number;
}

/** The peak and the processor time as they stood at the last look, a fiftieth of a second before the end at most. */
async function timed(command: string, args: readonly string[]): Promise<Turn> {
  const began = performance.now();
  const child = spawn(command, args, { cwd: root, stdio: ["ignore", "ignore", "inherit"] });
  let [peakMb, processorSeconds] = [0, 0];
  const look = setInterval(() => {
    try {
      const status = readFileSync(`/proc/${child.pid}/status`, "utf8");
      peakMb = Math.max(peakMb, Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024);
      const fields = readFileSync(`/proc/${child.pid}/stat`, "utf8").split(") ")[1].split(" ");
      processorSeconds = (Number(fields[11]) + Number(fields[12])) / TICKS_A_SECOND;
    } catch {
      // Gone already.
    }
  }, 20);
  const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
  clearInterval(look);
  if (code !== 0) throw new Error(`${command} ended with ${code}`);
  return { seconds: (performance.now() - began) / 1000, processorSeconds, peakMb };
}

/** @returns the case's folder; its scans lie beside the weights too, under the names that the other side reads. */
async function prepareCase(): Promise<string> {
  const dir = values.case ?? join(folder, "Phantom");
  if (values.case === undefined) {
    mkdirSync(dir);
    const phantom = makePhantom({ seed: 1, caseIndex: 0, siteIndex: 0 });
    for (const modality of MODALITIES) {
      await writeNifti(join(dir, caseFileName("Phantom", modality, "brats2021")), phantom[modality]);
    }
  }
  const { cases } = await scanDataset(dir);
  for (const modality of MODALITIES) copyFileSync(cases[0].images[modality] ?? "", join(folder, `${modality}.nii.gz`));
  return dir;
}

async function prepareModel(): Promise<void> {
  const study = parseStudy({
    schema: "consilium.study/1",
    name: "Base 16",
    network: { kind: "unet3d", levels: LEVELS, baseFeatures: BASE },
    training: { optimiser: { kind: "sgd", learningRate: 0.01 }, patch: [SIDE, SIDE, SIDE], stepsPerRound: 1 },
    rounds: { count: 1 },
  });
  const network = networkOfStudy(study);
  const lineage = { kind: "one institution", studyHash: null, which: "untrained", parent: null } as const;
  const evaluation = { on: "nothing", figures: null } as const;
  const facts = { sites: [], round: null, gradientSteps: 0, evaluation, lineage };
  await writeModelFolder(join(folder, "model"), { study, network, parameters: networkParameters(network), facts });
  const order = [...network.initializers].filter(([key]) => !key.startsWith("/"));
  writeFileSync(join(folder, "weights.json"), JSON.stringify(order.map(([name, { shape }]) => ({ name, shape }))));
  const floats = order.map(([, { data }]) => data as Float32Array);
  writeFileSync(
    join(folder, "weights.f32"),
    Buffer.concat(floats.map((data) => Buffer.from(data.buffer, data.byteOffset, data.byteLength))),
  );
}

async function agreement(ours: string, theirs: string): Promise<number> {
  const [a, b] = [(await readNifti(ours)).volume.data, (await readNifti(theirs)).volume.data];
  let same = 0;
  for (let i = 0; i < a.length; i++) if (a[i] === b[i]) same++;
  return same / a.length;
}

const median = (list: readonly number[]): number => list.toSorted((x, y) => x - y)[list.length >> 1];

async function main(): Promise<void> {
  const dir = await prepareCase();
  await prepareModel();
  const out = join(folder, "ours.nii.gz");
  const threads = ["--threads", values.threads];
  const segment = ["segment", "--model", join(folder, "model"), "--case", dir, "--out", out, ...threads, "--quiet"];
  const sizes = ["--side", SIDE, "--base", BASE, "--levels", LEVELS].map(String);
  const script = ["bench/pytorch/segment_case.py", "--folder", folder, ...threads, ...sizes];
  const [ours, theirs]: Turn[][] = [[], []];
  for (let run = 0; run < Number(values.runs); run++) {
    ours.push(await timed(process.execPath, [join(root, "bin/consilium.mjs"), ...segment]));
    if (values.python !== undefined) theirs.push(await timed(values.python, script));
  }
  const rows = [
    ["consilium segment", ours],
    ["PyTorch", theirs],
  ] as const;
  process.stdout.write("| | seconds | of processors | peak memory |\n| --- | --- | --- | --- |\n");
  for (const [name, turns] of rows) {
    if (turns.length === 0) continue;
    const [seconds, processors] = [turns.map((t) => t.seconds), turns.map((t) => t.processorSeconds)].map(median);
    const peak = Math.max(...turns.map(({ peakMb }) => peakMb));
    process.stdout.write(`| ${name} | ${seconds.toFixed(1)} | ${processors.toFixed(1)} | ${peak.toFixed(0)} MB |\n`);
  }
  if (theirs.length === 0) return;
  const same = await agreement(out, join(folder, "labels.nii.gz"));
  process.stdout.write(`\nLabel maps agree in ${(100 * same).toFixed(4)} % of the voxels.\n`);
  if (same < AGREEMENT) throw new Error("not the same work");
}

try {
  await main();
} finally {
  rmSync(folder, { recursive: true, force: true });
}
