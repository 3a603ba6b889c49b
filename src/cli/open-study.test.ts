import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { encodeOnnx, parametersToSafetensors } from "../graph/index.ts";
import { unet3d } from "../networks/index.ts";
import { networkParameters } from "../training/index.ts";
import { openStudyFile } from "./open-study.ts";

const SIZES = {
  inputChannels: 4,
  classes: 4,
  stem: 1,
  detail: false,
  mirror: false,
  levels: 2,
  baseFeatures: 2,
  maxFeatures: 320,
  seed: 7,
};
let root = "";

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "open-study-"));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

function write(network: string, more = ""): string {
  const path = join(root, "study.yaml");
  const training = "training: { optimiser: { kind: sgd, learningRate: 0.02 }, patch: [16, 16, 16], stepsPerRound: 2 }";
  writeFileSync(
    path,
    `schema: consilium.study/1\nname: test\nnetwork: ${network}\n${training}\nrounds: { count: 1 }\n${more}`,
  );
  return path;
}

const OWN = "{ kind: unet3d, levels: 2, baseFeatures: 2 }";

test("a study opens with its network, and with the weights that its seed gives", async () => {
  const first = await openStudyFile(write(OWN));
  const again = await openStudyFile(write(OWN));
  expect(first.initial.data).toEqual(again.initial.data);
  const other = await openStudyFile(write(OWN), (study) => ({ ...study, training: { ...study.training, seed: 5 } }));
  expect(other.initial.data).not.toEqual(first.initial.data);
});

test("weights to start from are taken, where they are the network's", async () => {
  const given = networkParameters(unet3d(SIZES));
  writeFileSync(join(root, "start.safetensors"), parametersToSafetensors(given));
  const { initial, study } = await openStudyFile(write(OWN, "initial: { file: start.safetensors }\n"));
  expect(initial.data).toEqual(given.data);
  expect(study.initial?.sha256).toMatch(/^[0-9a-f]{64}$/);
});

test("weights of another network are refused", async () => {
  writeFileSync(
    join(root, "start.safetensors"),
    parametersToSafetensors(networkParameters(unet3d({ ...SIZES, levels: 3 }))),
  );
  const opening = openStudyFile(write(OWN, "initial: { file: start.safetensors }\n"));
  await expect(opening).rejects.toMatchObject({ code: "study-invalid", subject: "start.safetensors, initial.file" });
});

test("a network from a file is taken as it is", async () => {
  const network = unet3d(SIZES);
  writeFileSync(join(root, "net.onnx"), encodeOnnx(network));
  const opened = await openStudyFile(write("{ kind: onnx, file: net.onnx }"));
  expect(opened.modelFile).toBe(join(root, "net.onnx"));
  expect(opened.initial.data).toEqual(networkParameters(network).data);
});

test.each([
  ["channels", { inputChannels: 3 }],
  ["classes", { classes: 2 }],
])("a network that does not fit the study's %s is refused", async (_, sizes) => {
  writeFileSync(join(root, "net.onnx"), encodeOnnx(unet3d({ ...SIZES, ...sizes })));
  await expect(openStudyFile(write("{ kind: onnx, file: net.onnx }"))).rejects.toMatchObject({ code: "study-invalid" });
});

test("a file that is no network is refused", async () => {
  writeFileSync(join(root, "net.onnx"), "no network");
  await expect(openStudyFile(write("{ kind: onnx, file: net.onnx }"))).rejects.toMatchObject({ code: "onnx-corrupt" });
});
