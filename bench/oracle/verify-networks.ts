/**
 * Holds the training step of every network that `export_networks.py` wrote to PyTorch's answers, and prints a table:
 * `npx tsx bench/oracle/verify-networks.ts FOLDER [NAME...]`. Ends with exit code 1 where one does not agree.
 *
 * Each figure is the largest relative error of a tensor. PyTorch's own float32 stands beside ours: where a gradient is
 * next to zero, Adam divides noise by noise, and where a value is next to a kink of a ReLU, rounding decides the side.
 * Where `kinks.py` was run, it says by what our gradients differ from float64 with our side of each kink.
 * A network agrees where `model verify` passes, or where no figure is worse than both its tolerance and twice PyTorch's.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { readSafetensors } from "../../src/graph/index.ts";
import { readOnnxFile, type VectorLosses, type Verification, verifyModel } from "../../src/runtime/index.ts";
import { withBatchStatistics } from "../../src/training/index.ts";

const THREADS = 2;
const FIGURES = ["logits", "gradients", "sgd", "adamw"] as const;
const TOLERANCE = { logits: 1e-5, gradients: 1e-4, sgd: 1e-4, adamw: 1e-4 } as const;

type Figures = Readonly<Record<(typeof FIGURES)[number], number>>;

interface Answers {
  readonly loss: VectorLosses;
  readonly float32: Figures;
  /** How norms over the batch are trained, where not as the file says. */
  readonly runningStatistics?: "averaged";
  /** As `kinks.py` writes it: values on another side of their kink, and our gradients against float64 on our side. */
  readonly kinks?: { readonly flips: number; readonly gradients: number };
}

function figuresOf({ logits, gradients, sgd, adamw }: Verification): Figures {
  return { logits, gradients: gradients.max, sgd, adamw };
}

function verdict(ours: Figures, theirs: Figures, { passed, missing, outside }: Verification): string {
  if (passed) return "agrees";
  if (missing.length > 0) return `differs: no ${missing.slice(0, 3).join(", ")}`;
  const within = FIGURES.every((name) => ours[name] <= Math.max(TOLERANCE[name], 2 * theirs[name]));
  return within ? "as PyTorch's float32" : `differs: ${outside.slice(0, 3).join(", ")}`;
}

function atKinks({ flips, gradients }: NonNullable<Answers["kinks"]>): string {
  return `${flips} values on the other side of a kink, gradients with them there ${gradients.toExponential(1)}`;
}

async function verify(folder: string, name: string): Promise<{ row: string; agrees: boolean }> {
  const path = join(folder, name);
  try {
    const {
      loss,
      float32,
      runningStatistics = "asExported",
      kinks,
    } = JSON.parse(readFileSync(`${path}.json`, "utf8")) as Answers;
    const vectors = readSafetensors(readFileSync(`${path}.safetensors`), name);
    const network = withBatchStatistics(readOnnxFile(`${path}.onnx`), runningStatistics);
    const result = await verifyModel(network, vectors, loss, THREADS);
    const ours = figuresOf(result);
    const said = `${verdict(ours, float32, result)}${kinks === undefined ? "" : `; ${atKinks(kinks)}`}`;
    const cells = FIGURES.map((figure) => `${ours[figure].toExponential(1)} (${float32[figure].toExponential(1)})`);
    return { row: [name, ...cells, said].join(" | "), agrees: !said.startsWith("differs") };
  } catch (error) {
    return { row: [name, "", "", "", "", (error as Error).message].join(" | "), agrees: false };
  }
}

async function main([folder, ...only]: readonly string[]): Promise<number> {
  if (folder === undefined) {
    console.error("Usage: npx tsx bench/oracle/verify-networks.ts FOLDER [NAME...]");
    return 2;
  }
  const names = readdirSync(folder)
    .filter((file) => file.endsWith(".onnx"))
    .map((file) => file.replace(/[.]onnx$/, ""))
    .filter((name) => only.length === 0 || only.some((each) => name.startsWith(`${each}.`)))
    .sort();
  process.stdout.write("| network | logits | gradients | three steps of SGD | three steps of AdamW | |\n");
  process.stdout.write("| --- | --- | --- | --- | --- | --- |\n");
  let agree = 0;
  for (const name of names) {
    const { row, agrees } = await verify(folder, name);
    process.stdout.write(`| ${row} |\n`);
    if (agrees) agree++;
  }
  process.stderr.write(`${agree} of ${names.length} agree\n`);
  return names.length > 0 && agree === names.length ? 0 : 1;
}

process.exitCode = await main(process.argv.slice(2));
