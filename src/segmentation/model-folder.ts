/**
 * A trained model as a folder: `model.onnx` (the network with its weights, which any ONNX runtime runs),
 * `weights.safetensors` (whose SHA-256 is the model's identity), `card.md` for people and `model.json` for programs.
 * The folder is written beside its place and renamed, so a half-written model is never found under its name.
 */
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { ConsiliumError, canonicalJson, type Json, sha256 } from "../base/index.ts";
import {
  decodeOnnx,
  encodeOnnx,
  type Graph,
  type Parameters,
  parametersFromSafetensors,
  parametersToSafetensors,
} from "../graph/index.ts";
import type { Study } from "../study/index.ts";
import { withParameters } from "../training/index.ts";

export interface ModelDescription {
  readonly schema: "consilium.model/1";
  readonly modelSha256: string;
  readonly name: string;
  readonly task: Study["task"];
  /** x, y, z at the working resolution. */
  readonly patch: readonly [number, number, number];
  /** SHA-256 of model.onnx. */
  readonly onnxSha256: string;
  readonly lineage: Json;
}

export interface Model {
  readonly description: ModelDescription;
  readonly network: Graph;
  readonly parameters: Parameters;
}

export interface NewModel {
  readonly study: Study;
  readonly network: Graph;
  readonly parameters: Parameters;
  /** Which study, rounds and sites it saw; counts only. */
  readonly lineage: Json;
  /** Markdown below the card's facts. */
  readonly notes: string;
}

/** @throws ConsiliumError `file-exists` where the folder exists already. */
export async function writeModelFolder(dir: string, model: NewModel): Promise<ModelDescription> {
  const { study, network, parameters, lineage } = model;
  const weights = parametersToSafetensors(parameters);
  const modelSha256 = sha256(weights);
  const metadata = { "consilium.modelSha256": modelSha256, "consilium.task": canonicalJson(study.task as Json) };
  const onnx = encodeOnnx(withParameters(network, parameters), metadata);
  const description: ModelDescription = {
    schema: "consilium.model/1",
    modelSha256,
    name: study.name,
    task: study.task,
    patch: study.training.patch,
    onnxSha256: sha256(onnx),
    lineage,
  };
  const temporary = join(dirname(dir), `.${basename(dir)}.${process.pid}.part`);
  await rm(temporary, { recursive: true, force: true });
  await mkdir(temporary, { recursive: true });
  await writeFile(join(temporary, "model.onnx"), onnx);
  await writeFile(join(temporary, "weights.safetensors"), weights);
  await writeFile(join(temporary, "model.json"), `${JSON.stringify(description, null, 2)}\n`);
  await writeFile(join(temporary, "card.md"), modelCard(description, model));
  try {
    await rename(temporary, dir);
  } catch (cause) {
    await rm(temporary, { recursive: true, force: true });
    throw new ConsiliumError("file-exists", {
      subject: dir,
      expected: "a folder that is not there yet",
      actual: "one that holds files",
      hint: "Give another --out, or move the old model away.",
      cause,
    });
  }
  return description;
}

/**
 * @throws ConsiliumError `file-not-found` for a folder without a model, `file-corrupt` for one that was altered.
 */
export async function readModelFolder(dir: string): Promise<Model> {
  const read = async (name: string): Promise<Buffer> => {
    try {
      return await readFile(join(dir, name));
    } catch (cause) {
      throw new ConsiliumError("file-not-found", {
        subject: join(dir, name),
        expected: "a model folder with model.onnx, weights.safetensors and model.json",
        actual: "no such file",
        hint: "Point --model at the folder that training wrote (OUT/model).",
        cause,
      });
    }
  };
  const description = parseDescription(await read("model.json"), dir);
  const [onnx, weights] = [await read("model.onnx"), await read("weights.safetensors")];
  if (sha256(weights) !== description.modelSha256 || sha256(onnx) !== description.onnxSha256) {
    throw new ConsiliumError("file-corrupt", {
      subject: dir,
      expected: "weights and network with the digests in model.json",
      actual: "others",
      hint: "The model was altered or damaged after training: take a fresh copy.",
    });
  }
  return {
    description,
    network: decodeOnnx(onnx, join(dir, "model.onnx")),
    parameters: parametersFromSafetensors(weights, join(dir, "weights.safetensors")),
  };
}

function parseDescription(bytes: Buffer, dir: string): ModelDescription {
  try {
    const parsed = JSON.parse(bytes.toString("utf8")) as ModelDescription;
    const task = { ...parsed.task, outputs: parsed.task.outputs ?? "classes" };
    if (parsed.schema === "consilium.model/1") return { ...parsed, task };
  } catch {
    // falls through to the refusal below
  }
  throw new ConsiliumError("file-corrupt", {
    subject: join(dir, "model.json"),
    expected: "a description with schema consilium.model/1",
    actual: "something else",
    hint: "The model was altered or damaged after training: take a fresh copy.",
  });
}

function modelCard(
  { modelSha256, name, task, patch }: ModelDescription,
  { parameters, notes, study }: NewModel,
): string {
  const regions = Object.entries(task.regions).map(
    ([region, classes]) => `${region} = ${classes.map((k) => task.labels[k]).join(" + ")}`,
  );
  const { optimiser, batch, schedule, seed, threads } = study.training;
  return `# ${name}

For research. Not a medical device; not for diagnosis or treatment.

| | |
| --- | --- |
| identity (SHA-256 of weights.safetensors) | \`${modelSha256}\` |
| input | ${task.channels.join(", ")}, skull-stripped and registered, z-scored over non-zero voxels, ${task.spacingMm} mm |
| output | ${task.labels.map((label, k) => `${k} ${label}`).join(", ")} |
| regions | ${regions.join("; ")} |
| network | ${study.network.kind}, ${parameters.layout.length.toLocaleString("en")} parameters, patches of ${patch.join(" x ")} voxels |
| training | ${optimiser.kind}, learning rate ${optimiser.learningRate} (${schedule.kind}), batch ${batch}, ${study.rounds.count} rounds, seed ${seed}, ${threads} thread(s) |
| privacy | patients' scans stayed at their sites; updates travelled over mutual TLS, unmasked: the coordinator saw each site's update |

${notes}
`;
}
