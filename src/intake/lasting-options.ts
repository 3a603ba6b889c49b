/**
 * What an intake was begun with, kept in its folder: a later run that does not name an option goes by the last one, so
 * that cases that are done stay what they are. A scan that may be missing, and the tables of series and of label maps,
 * are replaced by naming others, as a site learns more. The atlas and the network that finds the brain hold for every case of
 * a dataset: others are refused once a case was made, unless they are asked for.
 */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { z } from "zod";
import { ConsiliumError, isSha256 } from "../base/index.ts";
import { type LabelConvention, MODALITIES, type Modality, writeFileAtomically } from "../imaging/index.ts";
import { type Atlas, OWN_ATLAS, readAtlas } from "./atlas.ts";
import { intakeFolder, parseDocument } from "./case-record.ts";

export interface LastingOptions {
  /** Table that overrules which series is what. */
  readonly series?: string;
  /** Scans that a study may lack; T1 with contrast cannot be one. */
  readonly mayMiss?: readonly Modality[];
  /** A site's own atlas. */
  readonly atlas?: string;
  readonly brainModel?: { readonly path: string; readonly spacingMm: number };
  /** Label maps that the site has drawn: a table of which study each is of, and how their values are meant. */
  readonly labelMaps?: { readonly table: string; readonly convention: LabelConvention };
  readonly noHeads?: boolean;
}

const optionsSchema = z.strictObject({
  schema: z.literal("consilium.intake-options/1"),
  series: z.string().optional(),
  mayMiss: z.array(z.enum(MODALITIES)).optional(),
  atlas: z.string().optional(),
  brainModel: z.strictObject({ path: z.string(), spacingMm: z.number() }).optional(),
  labelMaps: z
    .strictObject({ table: z.string(), convention: z.enum(["brats2021", "brats2023", "brats2024"]) })
    .optional(),
  noHeads: z.boolean().optional(),
  /** Of the atlas and of the network with its voxel size. */
  settings: z.string(),
});

/** The options of this run, with what follows from the files that they name. */
export interface RunOptions {
  readonly lasting: LastingOptions;
  /** Undefined for the product's own. */
  readonly atlas: Atlas | undefined;
  /** Of the atlas and of the network with its voxel size. */
  readonly settings: string;
}

const optionsPath = (out: string): string => join(intakeFolder(out), "options.json");

/** None of a folder that has not got so far. @throws ConsiliumError `file-corrupt` */
export async function readLastingOptions(out: string): Promise<LastingOptions> {
  return lastingOf(await readKept(out));
}

function lastingOf(kept: z.infer<typeof optionsSchema> | undefined): LastingOptions {
  if (kept === undefined) return {};
  const { schema: _, settings: __, ...lasting } = kept;
  return lasting as LastingOptions;
}

async function readKept(out: string): Promise<z.infer<typeof optionsSchema> | undefined> {
  let text: string;
  try {
    text = await readFile(optionsPath(out), "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  return parseDocument(optionsSchema, text, "intake/options.json");
}

/**
 * @param begun whether a case of this folder was brought to an atlas
 * @param anew to go by the named options alone, whatever that makes anew
 * @throws ConsiliumError `usage` for another atlas or network than cases were made with, and those of reading them
 */
export async function settleOptions(
  out: string,
  named: LastingOptions,
  { begun, anew }: { readonly begun: boolean; readonly anew: boolean },
): Promise<RunOptions> {
  const kept = await readKept(out);
  const lasting: LastingOptions = { ...(anew ? {} : lastingOf(kept)), ...withWholePaths(named) };
  const atlas = lasting.atlas === undefined ? undefined : await readAtlas(lasting.atlas);
  const settings = `${atlas?.digest ?? OWN_ATLAS} ${await digestOfModel(lasting.brainModel)}`;
  if (begun && !anew && kept !== undefined && kept.settings !== settings) throw otherSettings(kept.settings, settings);
  return { lasting, atlas, settings };
}

export async function keepOptions(out: string, { lasting, settings }: RunOptions): Promise<void> {
  const document = { schema: "consilium.intake-options/1", ...lasting, settings };
  await writeFileAtomically(optionsPath(out), Buffer.from(`${JSON.stringify(document, null, 1)}\n`));
}

/** A later run may be started elsewhere. */
function withWholePaths({ series, mayMiss, atlas, brainModel, labelMaps, noHeads }: LastingOptions): LastingOptions {
  return {
    ...(series !== undefined && { series: resolve(series) }),
    ...(mayMiss !== undefined && { mayMiss }),
    ...(atlas !== undefined && { atlas: resolve(atlas) }),
    ...(brainModel !== undefined && { brainModel: { ...brainModel, path: resolve(brainModel.path) } }),
    ...(labelMaps !== undefined && { labelMaps: { ...labelMaps, table: resolve(labelMaps.table) } }),
    ...(noHeads && { noHeads }),
  };
}

const CLASSICAL = "classical";

async function digestOfModel(model: LastingOptions["brainModel"]): Promise<string> {
  if (model === undefined) return CLASSICAL;
  return createHash("sha256")
    .update(await readFile(model.path))
    .update(String(model.spacingMm))
    .digest("hex");
}

function otherSettings(before: string, now: string): ConsiliumError {
  return new ConsiliumError("usage", {
    subject: "consilium intake",
    expected: `the atlas and the brain's network that its cases were made with (${inWords(before)})`,
    actual: `others (${inWords(now)})`,
    hint: "Name no --atlas and no --brain-model to go on with those; --other-options makes every case anew with these.",
  });
}

function inWords(settings: string): string {
  const model = settings.slice(settings.lastIndexOf(" ") + 1);
  const atlas = settings.slice(0, settings.lastIndexOf(" "));
  const named = isSha256(atlas) ? `an atlas of digest ${atlas.slice(0, 12)}` : "the product's own atlas";
  return `${named}, ${model === CLASSICAL ? "the classical way" : `a network of digest ${model.slice(0, 12)}`}`;
}
