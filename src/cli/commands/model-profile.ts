/** `model profile`: what a network costs on this machine, operator by operator. */
import { basename } from "node:path";
import type { Json } from "../../base/index.ts";
import type { ModelProfile } from "../../runtime/index.ts";
import { defineCommand } from "../command.ts";
import { countOf, formatBytes, formatTable } from "../format.ts";
import { inputOption } from "../input-option.ts";
import { option } from "../options.ts";
import { readLowerings } from "../read-lowerings.ts";

/** Nodes that are printed; all of them are in the JSON. */
const SHOWN = 12;
const MOST_RUNS = 1000;

export const modelProfile = defineCommand({
  path: ["model", "profile"],
  summary: "Measure what a network costs, operator by operator",
  description:
    "Runs the network's training step (forward, loss, gradients, SGD), or its forward pass with --inference, under ONNX " +
    "Runtime's profiler on made-up data: medians over the runs, after one that is not counted. GFLOP/s counts two " +
    "operations for each multiply-add, for operators that have them. Written is what operators write in a run; memory " +
    "is the most that this process took, and the values alive at once that are part of it. Sizes that the network " +
    "leaves open are taken as 1 (cases) and 64.",
  args: [{ name: "MODEL", help: "network, .onnx" }],
  options: {
    input: inputOption,
    inference: option.flag("the forward pass alone"),
    threads: option.integerOr("processor threads", 1, { min: 1, max: 256 }),
    runs: option.integerOr("runs that are measured", 5, { min: 1, max: MOST_RUNS }),
    lowerings: option.text("FILE", "table of lowerings that `model tune` wrote"),
  },
  examples: [
    "consilium model profile unet3d.onnx --input 1,4,64,64,64 --threads 2",
    "consilium model profile unet3d.onnx --inference --json",
  ],
  async run({ args, options, progress }) {
    const { declaredShape, profileModel, readOnnxFile } = await import("../../runtime/index.ts");
    const { loweringsOf } = await import("../../training/index.ts");
    const network = readOnnxFile(args[0]);
    progress.update({ label: "Measuring", done: 0 });
    const { inference, threads, runs, input = declaredShape(network) } = options;
    const table = options.lowerings === undefined ? undefined : await readLowerings(options.lowerings);
    const profile = await profileModel(network, {
      inputShape: input,
      work: inference ? "inference" : "training",
      runs,
      threads,
      ...(table && { lowerings: loweringsOf(table) }),
    });
    return { json: profile as unknown as Json, text: describe(basename(args[0]), profile) };
  },
});

function describe(file: string, profile: ModelProfile): string {
  const { work, inputShape, threads, runs, runMs, operators, nodes, valueBytes, peakRssBytes } = profile;
  const figures = ({ ms, share, gflops }: { ms: number; share: number; gflops: number | null }): (string | null)[] => [
    ms.toFixed(2),
    `${(100 * share).toFixed(1)} %`,
    gflops === null ? null : gflops.toFixed(1),
  ];
  const sizes = (shapes: readonly (readonly number[])[]): string =>
    shapes.map((shape) => (shape.length === 0 ? "scalar" : shape.join("x"))).join(" * ");
  const rows = operators.map((cost) => [cost.operator, cost.nodes, ...figures(cost), formatBytes(cost.outputBytes)]);
  const slowest = nodes.slice(0, SHOWN).map((cost) => [cost.operator, ...figures(cost), sizes(cost.inputs)]);
  return [
    `${work === "training" ? "Training step" : "Forward pass"} of ${file} for ${inputShape.join(" x ")}: ` +
      `${runMs.toFixed(1)} ms, ${countOf(threads, "thread")}, median of ${countOf(runs, "run")}.`,
    `Memory: ${formatBytes(peakRssBytes)} at most, of which ${formatBytes(valueBytes)} values alive at once.`,
    "",
    formatTable(["Operator", "Nodes", "ms", "Share", "GFLOP/s", "Written"], rows),
    "",
    "Costliest nodes:",
    formatTable(["Operator", "ms", "Share", "GFLOP/s", "Inputs"], slowest),
  ].join("\n");
}
