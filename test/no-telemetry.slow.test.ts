/**
 * ONNX Runtime reports to its maker unless it is told not to before it starts. A training in a worker thread and a
 * segmentation in the main thread must leave none of the traces that the runtime alone leaves: its identifier of the
 * machine, its store of events to send, its session.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { encodeOnnx } from "../src/graph/index.ts";
import { unet3d } from "../src/networks/index.ts";

const checkout = fileURLToPath(new URL("..", import.meta.url));
const launcher = join(checkout, "bin/consilium.mjs");
const study = join(checkout, "test/transcripts/study.yaml");
let root = "";

beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), "consilium-telemetry-"));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

/** Runs Node under a home and a folder for temporary files of its own. @returns what the runtime left in them. */
function traces(name: string, ...commands: string[][]): string[] {
  const [home, temporary] = [join(root, name, "home"), join(root, name, "tmp")];
  for (const folder of [home, temporary]) mkdirSync(folder, { recursive: true });
  // Neither the signs of a test nor the setting itself are inherited: the runtime is silent where it sees them.
  const env = { PATH: process.env.PATH, HOME: home, TMPDIR: temporary };
  for (const args of commands) {
    const { status, stderr } = spawnSync(process.execPath, args, { cwd: checkout, encoding: "utf8", env });
    expect(status, stderr).toBe(0);
  }
  const left = [home, temporary].flatMap((folder) => readdirSync(folder, { recursive: true }).map(String));
  return left.filter((path) => /onnxruntime|mat-debug|\.ses$/i.test(path));
}

test("the runtime alone leaves traces, which shows that they are looked for rightly", () => {
  const options = { inputChannels: 4, classes: 4, stem: 1, detail: false, mirror: false, levels: 2, baseFeatures: 2 };
  writeFileSync(join(root, "unet.onnx"), encodeOnnx(unet3d({ ...options, maxFeatures: 4, seed: 1 })));
  const script = `const { InferenceSession } = require("onnxruntime-node");
    InferenceSession.create(${JSON.stringify(join(root, "unet.onnx"))}).then((session) => session.release());`;
  expect(traces("alone", ["-e", script]).some((path) => path.includes("deviceid"))).toBe(true);
});

test("training and segmentation leave none", () => {
  const [data, run] = [join(root, "data"), join(root, "run")];
  const found = traces(
    "product",
    [launcher, "cohort", "make", "--cases", "3", "--spacing", "8", "--out", data, "--quiet"],
    [launcher, "train", "--data", data, "--study", study, "--spacing", "8", "--rounds", "1", "--out", run, "--quiet"],
    [
      ...[launcher, "segment", "--model", join(run, "model"), "--case", join(data, "Phantom_00001")],
      ...["--out", join(root, "seg.nii.gz"), "--quiet"],
    ],
  );
  expect(found).toEqual([]);
});
