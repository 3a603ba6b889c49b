/** The training step against float64 vectors of another framework; skipped where the vectors are absent. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { decodeOnnx, readSafetensors } from "../graph/index.ts";
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
