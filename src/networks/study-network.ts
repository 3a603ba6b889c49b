/** The network that a study declares, as a graph. */
import { ConsiliumError } from "../base/index.ts";
import { decodeOnnx, type Graph } from "../graph/index.ts";
import { outputChannels, type Study } from "../study/index.ts";
import { unet3d } from "./unet3d.ts";

/**
 * @param modelBytes the ONNX file of a study with `network.kind: onnx`.
 * @throws ConsiliumError `study-invalid` where the study names a file and none is given, or the codec's refusals.
 */
export function networkOfStudy({ network, task, training }: Study, modelBytes?: Uint8Array): Graph {
  if (network.kind === "unet3d") {
    const { stem, detail, levels, baseFeatures, maxFeatures } = network;
    const sizes = {
      inputChannels: task.channels.length,
      classes: outputChannels(task),
      stem,
      detail,
      levels,
      baseFeatures,
      maxFeatures,
    };
    return unet3d({ ...sizes, seed: training.seed });
  }
  if (modelBytes === undefined) {
    throw new ConsiliumError("study-invalid", {
      subject: "network.file",
      expected: `the ONNX file ${network.file}`,
      actual: "none",
      hint: "Keep the file beside the study file.",
    });
  }
  return decodeOnnx(modelBytes, network.file);
}
