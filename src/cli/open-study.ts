/** A study file made ready to run: the study, its network as a graph, and the weights that the first round starts from. */
import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { ConsiliumError } from "../base/index.ts";
import { type Graph, type Parameters, parametersFromSafetensors, sameLayout } from "../graph/index.ts";
import { networkOfStudy } from "../networks/index.ts";
import { checkStudyConsistency, loadStudyFile, networkStrides, type Study } from "../study/index.ts";
import { type LoweringTable, networkParameters } from "../training/index.ts";

export interface OpenedStudy {
  readonly study: Study;
  readonly network: Graph;
  readonly initial: Parameters;
  /** Path of the ONNX model, where the study's network is a file. */
  readonly modelFile?: string;
  /** How gradients are lowered, instead of the table that ships. */
  readonly lowerings?: LoweringTable | undefined;
}

/**
 * @param adjust changes the study before its network is built, for commands that override parts of it.
 * @throws ConsiliumError `study-invalid`, `file-not-found`, and what a network or weights file is refused for.
 */
export async function openStudyFile(path: string, adjust = (study: Study): Study => study): Promise<OpenedStudy> {
  const { study: loaded, initialFile, modelFile } = await loadStudyFile(path);
  const study = adjust(loaded);
  const modelBytes = modelFile === undefined ? undefined : await readFile(modelFile);
  const opened = openStudy(study, modelBytes, basename(path));
  const initial = initialFile === undefined ? opened.initial : await readInitial(initialFile, opened);
  return { ...opened, initial, ...(modelFile !== undefined && { modelFile }) };
}

/** @throws ConsiliumError `study-invalid` where the network does not fit the study. */
export function openStudy(study: Study, modelBytes: Uint8Array | undefined, subject: string): OpenedStudy {
  const network = networkOfStudy(study, modelBytes);
  const initial = networkParameters(network);
  const [inputChannels, outputChannels] = [network.inputs[0]?.shape[1], network.outputs[0]?.shape[1]];
  if (typeof inputChannels === "number" && typeof outputChannels === "number") {
    const strides = networkStrides(study.network) ?? [1, 1, 1];
    const outputs = network.outputs.length;
    const runningStatistics = initial.layout.entries.some(({ buffer }) => buffer);
    const facts = { inputChannels, outputChannels, strides, outputs, runningStatistics };
    checkStudyConsistency(study, { network: facts }, subject);
  }
  return { study, network, initial };
}

async function readInitial(path: string, { initial }: OpenedStudy): Promise<Parameters> {
  const given = parametersFromSafetensors(await readFile(path), basename(path));
  if (sameLayout(given.layout, initial.layout)) return given;
  throw new ConsiliumError("study-invalid", {
    subject: `${basename(path)}, initial.file`,
    expected: `the ${initial.layout.entries.length} tensors of the study's network, by name and shape`,
    actual: "others",
    hint: "Start from weights of the same network (weights.safetensors of a model folder).",
  });
}
