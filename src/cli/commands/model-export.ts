/** `model export`: the model of a study that ended, as a folder that `segment` and any ONNX runtime can use. */
import { resolve } from "node:path";
import { ConsiliumError } from "../../base/index.ts";
import { defineCommand } from "../command.ts";
import { option } from "../options.ts";

export const modelExport = defineCommand({
  path: ["model", "export"],
  summary: "Take the model out of a coordinator's or a site's home",
  description:
    "Writes model.onnx, weights.safetensors, card.md and model.json of the study that ended last, or of one that is " +
    "named, signed with the " +
    "home's key. Where the study leaves running statistics at the sites, a site's model has its own.",
  options: {
    home: option.requiredText("DIR", "home folder of the coordinator, or of a site"),
    out: option.requiredText("DIR", "folder to write; must not exist"),
    which: option.oneOf("the best by validation, or that of the last round (default: best)", ["best", "final"]),
    study: option.text("STUDY", "of an earlier study: its name, or the first 6 digits of its hash and more"),
    region: option.text("REGION", "the best of one region instead, such as ET"),
  },
  examples: [
    "consilium model export --home coordinator --out model",
    "consilium model export --home coordinator --out model-et --region ET",
  ],
  async run({ options, version }) {
    if (options.which !== undefined && options.region !== undefined) {
      throw new ConsiliumError("usage", {
        subject: "model export",
        expected: "--which or --region",
        actual: "both",
        hint: "The best model of a region is one by itself: leave --which out.",
      });
    }
    const { exportModel } = await import("../export-model.ts");
    const which = options.region === undefined ? (options.which ?? "best") : { region: options.region };
    const { modelSha256, name, card, federationId } = await exportModel(
      options.home,
      { which, study: options.study },
      options.out,
      version,
    );
    return {
      json: {
        out: resolve(options.out),
        modelSha256,
        name,
        lineage: card.lineage,
        normStatistics: card.normStatistics ?? null,
        federationId,
      },
      text: [
        `Model of "${name}" in ${options.out}`,
        modelSha256,
        ...(card.normStatistics === undefined ? [] : [`Its norms use ${card.normStatistics}`]),
      ].join("\n"),
    };
  },
});
