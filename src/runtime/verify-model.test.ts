/** The training step against float64 vectors of PyTorch: a tiny network's, and larger ones where they are at hand. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { decodeOnnx, readSafetensors, type StoredTensor } from "../graph/index.ts";
import { withBatchStatistics } from "../training/index.ts";
import { type VectorLosses, verifyModel } from "./verify-model.ts";

const folder = process.env.CONSILIUM_VECTORS;
if (folder === undefined)
  process.stderr.write("verify-model: skipped, set CONSILIUM_VECTORS to the folder of training vectors\n");

describe.skipIf(folder === undefined)("training step against vectors", () => {
  const load = (name: string): Parameters<typeof verifyModel> => {
    const path = `${folder}/${name}`;
    const { loss } = JSON.parse(readFileSync(`${path}.json`, "utf8")) as { loss: VectorLosses };
    return [
      decodeOnnx(readFileSync(`${path}.onnx`), name),
      readSafetensors(readFileSync(`${path}.safetensors`), name),
      loss,
      2,
    ];
  };

  it.each(["unet3d", "segresnet3d"])("%s agrees", async (name) => {
    const result = await verifyModel(...load(name));
    expect(result).toMatchObject({ passed: true, missing: [] });
    expect(result.gradients.max).toBeLessThan(1e-4);
  });

  it("lists the gradients of unet3d that vanish", async () => {
    const { gradients } = await verifyModel(...load("unet3d"));
    expect(gradients.vanishing).toHaveLength(10);
  });

  it("fails for vectors that say otherwise, and for a tensor that is missing (positive controls)", async () => {
    const [network, vectors, losses, threads] = load("unet3d");
    const changed = await verifyModel(network, vectors, { ...losses, initial: losses.initial * 1.001 }, threads);
    expect(changed.passed).toBe(false);
    const lacking = new Map(vectors);
    lacking.delete("grad.head.weight");
    const result = await verifyModel(network, lacking, losses, threads);
    expect(result).toMatchObject({ passed: false, missing: ["head.weight"] });
  });
});

/** `python3 bench/oracle/export_networks.py OUT conv-norm`, the file of its TorchScript exporter. */
describe("a norm over the batch against vectors", () => {
  const read = (ending: string): Buffer => readFileSync(new URL(`testdata/conv-norm.${ending}`, import.meta.url));
  const { loss } = JSON.parse(read("json").toString()) as { loss: VectorLosses };
  const vectors = readSafetensors(read("safetensors"), "conv-norm");
  const network = withBatchStatistics(decodeOnnx(read("onnx"), "conv-norm"), "averaged");

  it("agrees; the running mean follows the bias before it, which AdamW moves by noise", async () => {
    const result = await verifyModel(network, vectors, loss, 1);
    expect(result).toMatchObject({ passed: true, outside: [] });
    expect(result.gradients.vanishing).toEqual(["0.bias"]);
  });

  it.each([
    ["sgd.1.running_mean", 1e-4],
    ["adamw.1.running_mean", 1e-3],
    ["adamw.1.running_var", 1e-3],
    ["adamw.0.bias", 1e-2],
    ["grad.0.weight", 1e-3],
  ])("names %s where it is off by %d (positive controls)", async (name, off) => {
    const moved = new Map(vectors).set(name, plus(vectors.get(name), off));
    expect(await verifyModel(network, moved, loss, 1)).toMatchObject({ passed: false, outside: [name] });
  });
});

function plus(tensor: StoredTensor | undefined, off: number): StoredTensor {
  if (tensor === undefined) throw new Error("no such tensor");
  const values = new Float32Array(tensor.bytes.slice().buffer).map((value) => value + off);
  return { ...tensor, bytes: new Uint8Array(values.buffer) };
}
