/** `model verify`: a network's training step against answers that another framework computed. */
import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { ConsiliumError, type Json } from "../../base/index.ts";
import type { VectorLosses, Verification } from "../../runtime/index.ts";
import type { TrainingSpec } from "../../study/index.ts";
import { defineCommand } from "../command.ts";
import { formatTable } from "../format.ts";
import { option } from "../options.ts";

const EXIT_FAILED = 1;

export const modelVerify = defineCommand({
  path: ["model", "verify"],
  summary: "Check a network's training step against reference vectors",
  description:
    "Builds the training step as `train` does, and compares logits, loss, every gradient and three steps of SGD and " +
    "AdamW. Losses come from the .json beside the vectors, which may also say how norms over the batch are trained " +
    "(`runningStatistics`, as a study says it). Ends with exit code 1 where a figure is out of tolerance or " +
    "a tensor that the vectors name is missing.",
  args: [{ name: "MODEL", help: "network, .onnx" }],
  options: {
    vectors: option.requiredText("FILE", "reference tensors, .safetensors"),
    threads: option.integerOr("processor threads", 1, { min: 1, max: 256 }),
  },
  examples: ["consilium model verify unet3d.onnx --vectors unet3d.safetensors --json"],
  async run({ args, options, progress }) {
    const { readSafetensors } = await import("../../graph/index.ts");
    const { readOnnxFile, verifyModel } = await import("../../runtime/index.ts");
    const { withBatchStatistics } = await import("../../training/index.ts");
    const vectors = readSafetensors(await readFile(options.vectors), basename(options.vectors));
    const { loss, runningStatistics } = await readAnswers(`${options.vectors.replace(/[.]safetensors$/, "")}.json`);
    const network = withBatchStatistics(readOnnxFile(args[0]), runningStatistics);
    progress.update({ label: "Verifying", done: 0 });
    const verification = await verifyModel(network, vectors, loss, options.threads).catch(missingTensorFails);
    const { passed, missing, ...figures } = verification;
    const error = passed ? undefined : failure(verification, basename(args[0]));
    return {
      json: { ...figures, missing, ...(error && { error: error.toJSON() }) } as unknown as Json,
      text: describe(verification, error),
      exitCode: passed ? 0 : EXIT_FAILED,
    };
  },
});

interface Answers {
  readonly loss: VectorLosses;
  readonly runningStatistics: TrainingSpec["runningStatistics"];
}

async function readAnswers(path: string): Promise<Answers> {
  const { z } = await import("zod");
  const losses = z.object({ initial: z.number(), sgd: z.array(z.number()), adamw: z.array(z.number()) });
  const runningStatistics = z.enum(["asExported", "frozen", "averaged"]).default("asExported");
  const text = await readFile(path, "utf8");
  try {
    return z.object({ loss: losses, runningStatistics }).parse(JSON.parse(text));
  } catch (cause) {
    throw new ConsiliumError("file-corrupt", {
      subject: basename(path),
      expected: "{loss: {initial, sgd: [...], adamw: [...]}}",
      actual: "something else",
      hint: "The losses of the vectors are read from the .json file beside them.",
      cause,
    });
  }
}

/** Vectors without a tensor that is needed are a failed verification, not bad input. */
function missingTensorFails(error: unknown): never {
  if (!(error instanceof ConsiliumError) || error.code !== "tensor-missing") throw error;
  throw new ConsiliumError("verification-failed", { ...error.toJSON(), cause: error });
}

function failure({ missing, outside }: Verification, subject: string): ConsiliumError {
  return new ConsiliumError("verification-failed", {
    subject,
    expected: "the vectors' answers within tolerance, for every tensor that they name",
    actual:
      missing.length > 0
        ? `no ${missing.slice(0, 3).join(", no ")}`
        : `other values of ${outside.slice(0, 3).join(", ")}`,
    hint: "Check that vectors and network belong together; then this is a defect: report it with both files.",
  });
}

function describe(
  { logits, loss, gradients, sgd, adamw, operators }: Verification,
  error: ConsiliumError | undefined,
): string {
  const figure = (value: number): string => value.toExponential(2);
  const rows = [
    ["logits", figure(logits)],
    ["losses", figure(loss)],
    [`gradients (worst: ${gradients.worst})`, figure(gradients.max)],
    ["three steps of SGD", figure(sgd)],
    ["three steps of AdamW", figure(adamw)],
  ];
  return [
    formatTable(["What", "Largest relative error"], rows),
    `\nVanishing gradients, compared absolutely: ${gradients.vanishing.join(", ") || "none"}`,
    `Operators: ${operators.join(", ")}`,
    error === undefined
      ? "Within tolerance."
      : `Not within tolerance: expected ${error.expected}, got ${error.actual}.`,
  ].join("\n");
}
