/** The network that a study declares, as a graph. */
import { ConsiliumError } from "../base/index.ts";
import { decodeOnnx, type Graph } from "../graph/index.ts";
import { outputChannels, type Study } from "../study/index.ts";
import { withBatchStatistics } from "../training/index.ts";
import type { Sides } from "./layers.ts";
import { segResNet3d } from "./segresnet3d.ts";
import { unet3d } from "./unet3d.ts";

/**
 * @param modelBytes the ONNX file of a study with `network.kind: onnx`.
 * @throws ConsiliumError `study-invalid` where the study names a file and none is given, or the codec's refusals.
 */
export function networkOfStudy(study: Study, modelBytes?: Uint8Array): Graph {
  return withBatchStatistics(declaredNetwork(study, modelBytes), study.training.runningStatistics);
}

function declaredNetwork({ network, task, training }: Study, modelBytes?: Uint8Array): Graph {
  const ends = { inputChannels: task.channels.length, classes: outputChannels(task), seed: training.seed };
  if (network.kind === "segresnet3d") return segResNet3d({ ...network, ...ends });
  if (network.kind === "unet3d") {
    const { features, kernels, strides, encoderBlocks, decoderBlocks, ...sizes } = network;
    return unet3d({
      ...sizes,
      ...ends,
      ...(features !== undefined && { features }),
      ...(kernels !== undefined && { kernels: kernels.map(alongTensor) }),
      ...(strides !== undefined && { strides: strides.map(alongTensor) }),
      ...(encoderBlocks !== undefined && { encoderBlocks }),
      ...(decoderBlocks !== undefined && { decoderBlocks }),
    });
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

/** Whether the network compares the brain's sides, so that what it sees must be centred on the mid-sagittal plane. */
export function comparesSides(network: Study["network"]): boolean {
  return network.kind === "unet3d" && network.mirror;
}

/** A study's x, y, z as a tensor's depth, height, width. */
function alongTensor([x, y, z]: Sides): Sides {
  return [z, y, x];
}
