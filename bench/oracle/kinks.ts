/**
 * Writes what our training step gives at every LeakyRelu of a network that `export_networks.py` wrote, and its gradient,
 * for `kinks.py` to compare: `npx tsx bench/oracle/kinks.ts FOLDER NAME.EXPORTER`. Beside the network then lie
 * NAME.EXPORTER.kinks.json {kinks: [[tensor, elements]], entries: [{name, offset, length}]} and .kinks.f32: the gradient,
 * then the values before each LeakyRelu in the order of the network's nodes.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { readSafetensors } from "../../src/graph/index.ts";
import { openGraphSession, readOnnxFile } from "../../src/runtime/index.ts";
import { buildGradientStep, networkParameters, STEP } from "../../src/training/index.ts";

const THREADS = 2;

async function main([folder, name]: readonly string[]): Promise<number> {
  if (folder === undefined || name === undefined) {
    console.error("Usage: npx tsx bench/oracle/kinks.ts FOLDER NAME.EXPORTER");
    return 2;
  }
  const path = join(folder, name);
  const vectors = readSafetensors(readFileSync(`${path}.safetensors`), name);
  const [x, y] = ["x", "y"].map((key) => {
    const tensor = vectors.get(key);
    if (tensor === undefined) throw new Error(`${name}.safetensors has no ${key}`);
    return { shape: tensor.shape, buffer: tensor.bytes.slice().buffer };
  });
  const network = readOnnxFile(`${path}.onnx`);
  const { graph, layout } = buildGradientStep(network, { inputShape: x.shape });
  const kinks = network.nodes.filter(({ opType }) => opType === "LeakyRelu").map(({ inputs }) => inputs[0]);
  const shown = kinks.map((kink) => ({ name: kink, dtype: "float32" as const, shape: ["n", "c", "x", "y", "z"] }));
  const session = await openGraphSession({ ...graph, outputs: [...graph.outputs, ...shown] }, { threads: THREADS });
  const values = await session.run({
    [STEP.image]: { dtype: "float32", shape: x.shape, data: new Float32Array(x.buffer) },
    [STEP.labels]: { dtype: "uint8", shape: y.shape, data: Uint8Array.from(new BigInt64Array(y.buffer), Number) },
    [STEP.parameters]: { dtype: "float32", shape: [layout.length], data: networkParameters(network).data },
  });
  await session.close();
  const arrays = [values[STEP.gradient], ...kinks.map((kink) => values[kink])];
  writeFileSync(
    `${path}.kinks.f32`,
    Buffer.concat(arrays.map(({ buffer, byteOffset, byteLength }) => Buffer.from(buffer, byteOffset, byteLength))),
  );
  const index = { kinks: kinks.map((kink) => [kink, values[kink].length]), entries: layout.entries };
  writeFileSync(`${path}.kinks.json`, JSON.stringify(index));
  return 0;
}

process.exitCode = await main(process.argv.slice(2));
