/**
 * A trained model as a folder: `model.onnx` (the network with its weights as it predicts, for any ONNX runtime),
 * `weights.safetensors` (whose SHA-256 is the model's identity), `card.md` for people, `model.json` for programs, and
 * `signature.json` where a member of a federation vouches for it.
 *
 * Invariants
 * - `model.json` names the digest of every other file, and the signature covers `model.json`: what was altered in any
 *   of them is refused. A folder whose `model.json` says who signed it is refused without the signature.
 * - The folder is written beside its place and renamed, so a half-written model is never found under its name.
 */
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { z } from "zod";
import { ConsiliumError, canonicalJson, type Json, sha256 } from "../base/index.ts";
import {
  decodeOnnx,
  encodeOnnx,
  type Graph,
  type Parameters,
  parametersFromSafetensors,
  parametersToSafetensors,
} from "../graph/index.ts";
import { type Study, studySchema } from "../study/index.ts";
import { inferenceForm, withParameters } from "../training/index.ts";
import { type CardFacts, cardSchema, makeCard, renderCard } from "./model-card.ts";
import {
  federationIdOf,
  MODEL_SCHEMA,
  type ModelSigner,
  signModel,
  type VerifiedSigner,
  verifyModelSignature,
} from "./model-signature.ts";

const CONTENTS = ["model.onnx", "weights.safetensors", "card.md"] as const;

const descriptionSchema = z.strictObject({
  schema: z.literal(MODEL_SCHEMA),
  modelSha256: z.string(),
  name: z.string(),
  /** The whole study that it was trained by. */
  study: studySchema,
  card: cardSchema,
  /** SHA-256 of the other files. */
  files: z.strictObject({ "model.onnx": z.string(), "weights.safetensors": z.string(), "card.md": z.string() }),
  /** Fingerprint of the authority of the federation whose member signed it; null without a signature. */
  federationId: z.string().nullable(),
});

export type ModelDescription = z.infer<typeof descriptionSchema>;

export interface Model {
  readonly description: ModelDescription;
  readonly network: Graph;
  readonly parameters: Parameters;
  /** Null for a model that nobody vouches for. */
  readonly signer: VerifiedSigner | null;
}

export interface NewModel {
  readonly study: Study;
  readonly network: Graph;
  readonly parameters: Parameters;
  readonly facts: CardFacts;
  readonly signer?: ModelSigner | undefined;
}

/** @throws ConsiliumError `file-exists` where the folder exists already. */
export async function writeModelFolder(dir: string, model: NewModel): Promise<ModelDescription> {
  const { study, network, parameters, facts, signer } = model;
  const weights = parametersToSafetensors(parameters);
  const modelSha256 = sha256(weights);
  const metadata = { "consilium.modelSha256": modelSha256, "consilium.task": canonicalJson(study.task as Json) };
  const onnx = encodeOnnx(inferenceForm(withParameters(network, parameters)), metadata);
  const card = makeCard(study, facts);
  const cardText = renderCard(study.name, modelSha256, study, parameters.layout.length, card);
  const description: ModelDescription = {
    schema: MODEL_SCHEMA,
    modelSha256,
    name: study.name,
    study,
    card,
    files: { "model.onnx": sha256(onnx), "weights.safetensors": modelSha256, "card.md": sha256(cardText) },
    federationId: signer === undefined ? null : federationIdOf(signer.authorityPem),
  };
  const json = Buffer.from(`${JSON.stringify(description, null, 2)}\n`);
  const files: [string, Uint8Array | string][] = [
    ["model.onnx", onnx],
    ["weights.safetensors", weights],
    ["card.md", cardText],
    ["model.json", json],
    ...(signer === undefined ? [] : [["signature.json", signModel(json, signer)] as [string, string]]),
  ];
  await writeWhole(dir, files);
  return description;
}

async function writeWhole(dir: string, files: readonly (readonly [string, Uint8Array | string])[]): Promise<void> {
  const temporary = join(dirname(dir), `.${basename(dir)}.${process.pid}.part`);
  await rm(temporary, { recursive: true, force: true });
  await mkdir(temporary, { recursive: true });
  for (const [name, content] of files) await writeFile(join(temporary, name), content);
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
}

/**
 * @throws ConsiliumError `file-not-found` for a folder without a model, `file-corrupt` for one that was altered,
 *   `model-version` for one of another version's,
 *   `signature-invalid` for one whose signature does not hold.
 */
export async function readModelFolder(dir: string): Promise<Model> {
  const json = await read(dir, "model.json");
  const description = parseDescription(json, dir);
  const contents = await Promise.all(CONTENTS.map((name) => read(dir, name)));
  const altered = CONTENTS.find((name, i) => sha256(contents[i]) !== description.files[name]);
  if (altered !== undefined || description.files["weights.safetensors"] !== description.modelSha256) {
    throw corrupt(join(dir, altered ?? "model.json"), "the digest that model.json names", "another");
  }
  const signer = await signerOf(dir, json, description);
  const [onnx, weights] = contents;
  return {
    description,
    network: decodeOnnx(onnx, join(dir, "model.onnx")),
    parameters: parametersFromSafetensors(weights, join(dir, "weights.safetensors")),
    signer,
  };
}

async function signerOf(dir: string, json: Buffer, { federationId }: ModelDescription): Promise<VerifiedSigner | null> {
  if (federationId === null) return null;
  const signer = verifyModelSignature(json, (await read(dir, "signature.json")).toString("utf8"), dir);
  if (signer.federationId === federationId) return signer;
  throw corrupt(dir, `a signature of federation ${federationId}`, `one of ${signer.federationId}`);
}

async function read(dir: string, name: string): Promise<Buffer> {
  try {
    return await readFile(join(dir, name));
  } catch (cause) {
    throw new ConsiliumError("file-not-found", {
      subject: join(dir, name),
      expected: "a model folder, whole as it was written",
      actual: "no such file",
      hint: "Point --model at the folder that training wrote (OUT/model), or take a fresh copy of it.",
      cause,
    });
  }
}

function parseDescription(bytes: Buffer, dir: string): ModelDescription {
  let document: unknown;
  try {
    document = JSON.parse(bytes.toString("utf8"));
  } catch {
    document = undefined;
  }
  const parsed = descriptionSchema.safeParse(document);
  if (parsed.success) return parsed.data;
  const schema = z.object({ schema: z.string().regex(/^consilium\.model\/\d{1,4}$/) }).safeParse(document);
  if (schema.success && schema.data.schema !== MODEL_SCHEMA) throw otherVersion(dir, schema.data.schema);
  const [issue] = parsed.error.issues;
  throw corrupt(
    join(dir, "model.json"),
    `a description with schema ${MODEL_SCHEMA}`,
    `${issue.path.join(".") || "the document"}: ${issue.message}`,
  );
}

function otherVersion(dir: string, schema: string): ConsiliumError {
  return new ConsiliumError("model-version", {
    subject: dir,
    expected: `a model with schema ${MODEL_SCHEMA}`,
    actual: schema,
    hint: "Another version of Consilium wrote it: use that one, or export the model again with this one.",
  });
}

function corrupt(subject: string, expected: string, actual: string): ConsiliumError {
  const hint = "The model was altered or damaged after training: take a fresh copy.";
  return new ConsiliumError("file-corrupt", { subject, expected, actual, hint });
}
