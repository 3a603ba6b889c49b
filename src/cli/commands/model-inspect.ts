/** `model inspect`: whether a network can be trained, what it takes, and what stands in the way. */
import { basename } from "node:path";
import type { Json } from "../../base/index.ts";
import type { ModelInspection } from "../../runtime/index.ts";
import { defineCommand } from "../command.ts";
import { countOf, formatBytes, formatTable } from "../format.ts";
import { inputOption } from "../input-option.ts";

const EXIT_NO = 1;
/** Obstacles that are printed; all of them are in the JSON. */
const SHOWN = 20;
const VALUE_BYTES = 4;

export const modelInspect = defineCommand({
  path: ["model", "inspect"],
  summary: "Say whether a network can be trained, and what it takes",
  description:
    "Reads an ONNX file with the weights beside it and builds its training step without running it: operators, " +
    "parameters, multiply-adds and memory for an input, and every operator, node and tensor that stands in the way. " +
    "Memory is that of values alive at once, without what kernels take for themselves. Sizes that the network leaves " +
    "open are taken as 1 (cases) and 64. Ends with exit code 1 where the network cannot be trained.",
  args: [{ name: "MODEL", help: "network, .onnx" }],
  options: {
    input: inputOption,
  },
  examples: ["consilium model inspect unet3d.onnx", "consilium model inspect unet3d.onnx --input 2,4,96,96,96 --json"],
  async run({ args, options }) {
    const { inspectModel } = await import("../../runtime/index.ts");
    const inspection = inspectModel(args[0], options.input);
    const { trainable, inputShape, opset, obstacles, network } = inspection;
    return {
      json: {
        trainable,
        input: inputShape ?? null,
        opset: opset ?? null,
        operators: network?.operators ?? null,
        parameters: network?.parameters ?? null,
        cost: network?.cost ?? null,
        notes: network?.notes ?? [],
        obstacles,
      } as unknown as Json,
      text: describe(basename(args[0]), inspection),
      exitCode: trainable ? 0 : EXIT_NO,
    };
  },
});

function describe(file: string, { trainable, inputShape, opset, network, obstacles }: ModelInspection): string {
  const lines = [`${file} ${trainable ? "can be trained" : "cannot be trained"}.`];
  if (network !== undefined) {
    const { tensors, values } = network.parameters;
    const operators = Object.entries(network.operators).map(([name, count]) => `${name} ${count}`);
    lines.push(
      "",
      `Operator set ${opset}; ${countOf(tensors, "parameter")} of ${values} values, ${formatBytes(values * VALUE_BYTES)}.`,
      `Operators: ${operators.join(", ")}.`,
    );
    if (network.cost !== undefined) {
      const { cost } = network;
      lines.push(
        "",
        `For an input of ${inputShape?.join(" x ")}, with a result of ${cost.outputShape.join(" x ")}:`,
        formatTable(
          ["What", "Multiply-adds", "Memory at least"],
          [
            ["forward", formatCount(cost.forwardMultiplyAdds), formatBytes(cost.forwardPeakBytes)],
            ["training step (AdamW)", formatCount(cost.stepMultiplyAdds), formatBytes(cost.stepPeakBytes)],
          ],
        ),
      );
    }
    lines.push(...network.notes.map((note) => `\nNote: ${note}.`));
  }
  if (obstacles.length > 0) {
    lines.push("", `In the way (${obstacles.length}):`);
    for (const { code, where, what } of obstacles.slice(0, SHOWN)) lines.push(`  ${where}: ${what} [${code}]`);
    if (obstacles.length > SHOWN) lines.push(`  and ${obstacles.length - SHOWN} more; --json lists them all`);
  }
  return lines.join("\n");
}

/** "1.2 G", "340.0 M". */
function formatCount(count: number): string {
  const units = ["", " k", " M", " G", " T"];
  const power = count < 1000 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(count) / 3));
  return power === 0 ? String(count) : `${(count / 1000 ** power).toFixed(1)}${units[power]}`;
}
