/** `model tune`: measures a table of lowerings for this machine and the shapes of a network or a study. */
import { access, writeFile } from "node:fs/promises";
import { basename } from "node:path";
import { ConsiliumError, type Json } from "../../base/index.ts";
import type { Graph } from "../../graph/index.ts";
import type { TunedLowerings } from "../../runtime/index.ts";
import { defineCommand, type Invocation } from "../command.ts";
import { countOf, formatTable } from "../format.ts";
import { inputOption } from "../input-option.ts";
import { type OptionValues, option } from "../options.ts";

const MOST_RUNS = 1000;

const options = {
  study: option.text("FILE", "study file instead of a network: its network, patch, batch and threads"),
  input: inputOption,
  threads: option.integer("processor threads (default: the study's, or 1)", { min: 1, max: 256 }),
  runs: option.integerOr("turns of each lowering", 7, { min: 1, max: MOST_RUNS }),
  out: option.requiredText("FILE", "table to write, .json"),
} as const;

export const modelTune = defineCommand({
  path: ["model", "tune"],
  summary: "Measure which lowering of each gradient is fastest on this machine",
  description:
    "A gradient of a convolution can be written in several ways, and which is fastest depends on its shape and on the " +
    "machine. This times each way for every convolution of the network, in turns, and writes a table of the fastest. " +
    "`train`, `simulate` and `site start` take it with --lowerings. Another table gives other bits: its digest is in " +
    "the run record. Other shapes are lowered as by the table that ships. Let the machine be quiet meanwhile.",
  args: [{ name: "MODEL", help: "network, .onnx; or --study", optional: true }],
  options,
  examples: [
    "consilium model tune unet3d.onnx --input 1,4,64,64,64 --threads 2 --out lowerings.json",
    "consilium model tune --study study.yaml --out lowerings.json",
  ],
  async run(invocation) {
    const { options, progress, signal } = invocation;
    await refuseExisting(options.out);
    const { tuneLowerings } = await import("../../runtime/index.ts");
    const { loweringsDigest } = await import("../../training/index.ts");
    const { network, inputShapes, threads } = await subjectOf(invocation);
    const tuned = await tuneLowerings(network, {
      inputShapes,
      threads,
      runs: options.runs,
      signal,
      onProgress: (done, total) => progress.update({ label: "Measuring", done, total, unit: "gradients" }),
    });
    await writeFile(options.out, `${JSON.stringify(tuned.table, null, 2)}\n`);
    const digest = loweringsDigest(tuned.table);
    const json = { threads, digest, measured: tuned.measured } as unknown as Json;
    return { json, text: describe(tuned, options.out, digest) };
  },
});

interface Subject {
  readonly network: Graph;
  readonly inputShapes: readonly (readonly number[])[];
  readonly threads: number;
}

async function subjectOf({ args, options: given }: Invocation<typeof options>): Promise<Subject> {
  const [model] = args;
  const { study: studyFile, input, threads } = given as OptionValues<typeof options>;
  if ((model === undefined) === (studyFile === undefined)) throw oneOfBoth();
  if (studyFile !== undefined) {
    const { openStudyFile } = await import("../open-study.ts");
    const { study, network } = await openStudyFile(studyFile);
    const [x, y, z] = study.training.patch;
    const inputShape = input ?? [study.training.batch, study.task.channels.length, z, y, x];
    return { network, inputShapes: [inputShape], threads: threads ?? study.training.threads };
  }
  const { declaredShape, readOnnxFile } = await import("../../runtime/index.ts");
  const network = readOnnxFile(model);
  return { network, inputShapes: [input ?? declaredShape(network)], threads: threads ?? 1 };
}

function oneOfBoth(): ConsiliumError {
  return new ConsiliumError("usage", {
    subject: "consilium model tune",
    expected: "a network or --study, and not both",
    actual: "none or both",
    hint: "For example: consilium model tune --study study.yaml --out lowerings.json",
  });
}

async function refuseExisting(path: string): Promise<void> {
  const exists = await access(path).then(
    () => true,
    () => false,
  );
  if (!exists) return;
  throw new ConsiliumError("file-exists", {
    subject: path,
    expected: "a file that does not exist yet",
    actual: "one that is there",
    hint: "Give another --out: a table that runs already used is kept as it is.",
  });
}

function describe({ measured }: TunedLowerings, out: string, digest: string): string {
  const rows = measured.map(({ gradient, shape, ms, usual }) => [
    `by ${gradient}`,
    ms[0].lowering,
    ms[0].ms.toFixed(2),
    ms[0].lowering === usual ? "the same" : usual,
    (ms.find(({ lowering }) => lowering === usual)?.ms ?? Number.NaN).toFixed(2),
    shape,
  ]);
  const changed = measured.filter(({ ms, usual }) => ms[0].lowering !== usual).length;
  return [
    formatTable(["Gradient", "Fastest", "ms", "Usual", "its ms", "Convolution"], rows),
    "",
    `${countOf(measured.length, "gradient")}, ${changed} lowered otherwise than by the table that ships.`,
    `Table   ${basename(out)}`,
    `Digest  ${digest}`,
  ].join("\n");
}
