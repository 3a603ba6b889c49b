/**
 * What a study needs in the object store before it is submitted: its initial weights, with zeros for what travels beside
 * them, and its network's file.
 */
import { readFile } from "node:fs/promises";
import { ConsiliumError, LIMITS, type Sha256, sha256 } from "../base/index.ts";
import { type Parameters, parametersToSafetensors } from "../graph/index.ts";
import { systemCode } from "../protocol/index.ts";
import type { Study } from "../study/index.ts";
import { withSharedVectors } from "../training/index.ts";
import type { ObjectStore } from "./object-store.ts";
import type { ObjectRef } from "./records.ts";

export interface StudyToSubmit {
  readonly study: Study;
  /** The weights that the first round starts from. */
  readonly initialParameters: Parameters;
  /** Path of the ONNX model, where the study's network is a file. */
  readonly modelFile?: string | undefined;
  /** Sites that are to take part; all that have joined unless given. */
  readonly sites?: readonly string[] | undefined;
}

/** A study whose objects are stored: what crosses from a command to the running coordinator. */
export interface PreparedStudy {
  readonly study: Study;
  readonly initial: ObjectRef;
  readonly network?: ObjectRef;
  readonly parameterCount: number;
  readonly sites?: readonly string[];
}

/** @throws ConsiliumError `study-invalid` where the model file is not the one that the study names, `disk-full` */
export async function storeStudyObjects(submitted: StudyToSubmit, store: ObjectStore): Promise<PreparedStudy> {
  const { study, modelFile, sites } = submitted;
  const initialParameters = withSharedVectors(study, submitted.initialParameters);
  checkSize(study, initialParameters);
  const network = await networkOf(study, modelFile);
  return {
    study,
    initial: await store.put(parametersToSafetensors(initialParameters)),
    ...(network && { network: await store.put(network) }),
    parameterCount: initialParameters.layout.length,
    ...(sites && { sites }),
  };
}

/** With room for the header of a safetensors file. */
function checkSize({ name }: Study, { layout }: Parameters): void {
  const bytes = 4 * layout.length + LIMITS.messageBytes;
  if (layout.length > 0 && bytes <= LIMITS.objectBytes) return;
  throw new ConsiliumError("limit-exceeded", {
    subject: `study ${name}, network`,
    expected: `parameters of 4 to ${LIMITS.objectBytes - LIMITS.messageBytes} bytes`,
    actual: `${4 * layout.length} bytes`,
    hint: "Choose a network of another size.",
  });
}

async function networkOf({ name, network }: Study, modelFile: string | undefined): Promise<Uint8Array | undefined> {
  if (network.kind !== "onnx") return undefined;
  if (modelFile === undefined || network.sha256 === undefined) {
    throw mismatch(name, "its ONNX model, and the SHA-256 of it in the study", "less");
  }
  const bytes = await readModel(modelFile, name);
  const came: Sha256 = sha256(bytes);
  if (came !== network.sha256) throw mismatch(name, `a model file of SHA-256 ${network.sha256}`, came);
  return bytes;
}

async function readModel(path: string, name: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (cause) {
    throw mismatch(name, "a model file that can be read", systemCode(cause) ?? "a failed read", cause);
  }
}

function mismatch(name: string, expected: string, actual: string, cause?: unknown): ConsiliumError {
  return new ConsiliumError("study-invalid", {
    subject: `study ${name}, network`,
    expected,
    actual,
    hint: "Load the study file again: its hash covers the model file as it was then.",
    cause,
  });
}
