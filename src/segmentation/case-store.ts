/**
 * Cases at working resolution, prepared once and kept: in memory up to a bound, and on disk under a key of the files
 * and settings, so that a restart or another worker does not prepare them again. Files hold a site's own data and
 * never leave its cache folder.
 */
import { mkdir, readFile, rename, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { canonicalJson, LIMITS, sha256 } from "../base/index.ts";
import {
  type CaseFiles,
  type LabelConvention,
  loadCase,
  type Modality,
  midSagittalX,
  type PreparedCase,
  prepareCase,
  type Triple,
} from "../imaging/index.ts";
import type { Study } from "../study/index.ts";
import { labelMapMissing } from "./evaluate-case.ts";
import { indexClasses } from "./patches.ts";
import type { TrainingCase } from "./training-case.ts";

export interface CaseStoreOptions {
  readonly spacingMm: number;
  readonly channels: readonly Modality[];
  /** Channels that a case may lack. */
  readonly mayMiss?: readonly Modality[] | undefined;
  readonly classes: number;
  /** Absent: cases are kept in memory alone. */
  readonly cacheDir?: string;
}

export interface CaseStore {
  /** @throws ConsiliumError `label-unknown` where the case has no label map. */
  training(files: CaseFiles, convention: LabelConvention): Promise<TrainingCase>;
}

/** The store that a study's training needs. */
export function caseStoreOfStudy({ task }: Study, cacheDir?: string): CaseStore {
  const { spacingMm, channels, mayMiss, labels } = task;
  const settings = { spacingMm, channels, mayMiss, classes: labels.length };
  return createCaseStore({ ...settings, ...(cacheDir !== undefined && { cacheDir }) });
}

export function createCaseStore(options: CaseStoreOptions): CaseStore {
  const kept = new Map<string, TrainingCase>();
  let bytes = 0;
  return {
    async training(files, convention) {
      const key = await cacheKey(files, convention, options);
      const known = kept.get(key);
      if (known !== undefined) {
        kept.delete(key);
        kept.set(key, known);
        return known;
      }
      const made = await fromDiskOrFiles(key, files, convention, options);
      kept.set(key, made);
      bytes += bytesOf(made);
      for (const [oldest, old] of kept) {
        if (bytes <= LIMITS.caseCacheBytes || oldest === key) break;
        kept.delete(oldest);
        bytes -= bytesOf(old);
      }
      return made;
    },
  };
}

function bytesOf({ image, labels, brain, voxelsByClass }: TrainingCase): number {
  return voxelsByClass.reduce(
    (sum, list) => sum + list.byteLength,
    image.byteLength + labels.byteLength + brain.byteLength,
  );
}

async function cacheKey(files: CaseFiles, convention: LabelConvention, options: CaseStoreOptions): Promise<string> {
  const roles = [...Object.entries(files.images), ...(files.labelMap ? [["seg", files.labelMap]] : [])];
  const stamps = await Promise.all(
    roles.map(async ([role, path]) => {
      const { size, mtimeMs } = await stat(path);
      return [role, path, size, mtimeMs];
    }),
  );
  const { spacingMm, channels } = options;
  return sha256(canonicalJson({ stamps, convention, spacingMm, channels, version: 2 }));
}

async function fromDiskOrFiles(
  key: string,
  files: CaseFiles,
  convention: LabelConvention,
  options: CaseStoreOptions,
): Promise<TrainingCase> {
  const path = options.cacheDir === undefined ? undefined : join(options.cacheDir, `${key}.case`);
  const stored = path === undefined ? undefined : await readStored(path);
  const plain = stored ?? (await prepare(files, convention, options));
  if (path !== undefined && stored === undefined) await writeStored(path, plain);
  const voxelsByClass = indexClasses(plain.labels, plain.brain, options.classes);
  return { id: files.id, ...plain, midlineX: midSagittalX(plain.brain, plain.dims), voxelsByClass };
}

type StoredCase = Pick<TrainingCase, "dims" | "image" | "labels" | "brain">;

async function prepare(files: CaseFiles, convention: LabelConvention, options: CaseStoreOptions): Promise<StoredCase> {
  const loaded = await loadCase(files, convention);
  const { dims, image, labels, brain }: PreparedCase = prepareCase(loaded, options);
  if (labels === undefined) throw labelMapMissing(files.id);
  return { dims, image, labels, brain };
}

/** Layout: x, y, z as uint32; then image float32, labels uint8, brain uint8; the image's length follows from the rest. */
async function writeStored(path: string, { dims, image, labels, brain }: StoredCase): Promise<void> {
  const temporary = `${path}.${process.pid}.${Math.floor(performance.now() * 1000)}`;
  await mkdir(join(path, ".."), { recursive: true });
  await writeFile(temporary, [Uint32Array.from(dims), image, labels, brain]);
  await rename(temporary, path);
}

async function readStored(path: string): Promise<StoredCase | undefined> {
  let file: Buffer;
  try {
    file = await readFile(path);
  } catch {
    return undefined;
  }
  const bytes = Uint8Array.from(file).buffer;
  const [x, y, z] = new Uint32Array(bytes, 0, 3);
  const dims: Triple = [x, y, z];
  const volume = x * y * z;
  const imageBytes = bytes.byteLength - 12 - 2 * volume;
  return {
    dims,
    image: new Float32Array(bytes, 12, imageBytes / 4),
    labels: new Uint8Array(bytes, 12 + imageBytes, volume),
    brain: new Uint8Array(bytes, 12 + imageBytes + volume, volume),
  };
}
