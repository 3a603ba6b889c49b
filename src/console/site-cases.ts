/**
 * A hospital's own cases for its viewer: what is registered, the files behind it, and maps that the site's model draws.
 *
 * Invariants
 * - A file is read only as a part of a case that is registered; no path comes from outside.
 * - Label maps are given as classes (0 background, 1 necrotic core, 2 oedema, 3 enhancing tumour) on their own grid,
 *   whatever convention their files follow.
 * - Maps that the model draws lie in the home, under digests of the model and of what they were drawn from. One is drawn
 *   at a time, in a thread of its own; none begins once this is closed.
 */
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Worker } from "node:worker_threads";
import { ConsiliumError, LIMITS, type Sha256, startWorkerThread } from "../base/index.ts";
import { type CaseFiles, encodeNifti, labelsToClasses, MODALITIES, readNifti } from "../imaging/index.ts";
import { type RegisteredData, readRegisteredData, readSite, siteStatus } from "../site/index.ts";
import type { PredictOrder, PredictReply } from "./predict.worker.ts";
import { dropStalePredictions, predictionPath } from "./predictions.ts";

export interface SiteCasesOptions {
  readonly home: string;
  /** Writes the folder of the model of the study that ended last. @throws ConsiliumError where there is none */
  readonly exportModel: (out: string) => Promise<unknown>;
  readonly threads?: number;
}

export interface ListedCase {
  readonly id: string;
  readonly side: "training" | "validation";
  /** Of MODALITIES, those that the case has. */
  readonly scans: readonly string[];
  readonly labels: boolean;
  /** Whether the model below has outlined it. */
  readonly predicted: boolean;
}

export interface ListedCases {
  readonly cases: readonly ListedCase[];
  /** The best model of the study that ended last; null before any. */
  readonly model: { readonly sha256: Sha256; readonly study: string; readonly round: number } | null;
  /** What the model does now, or how its last work failed. */
  readonly work: { readonly caseId: string; readonly done: number; readonly total: number } | null;
  readonly failed: { readonly caseId: string; readonly error: Record<string, string> } | null;
}

export interface SiteCases {
  list(): Promise<ListedCases>;
  /** A NIfTI file, gzipped or not. @throws ConsiliumError `file-not-found`, `limit-exceeded` */
  volume(caseId: string, part: string): Promise<Uint8Array>;
  /** Begins to outline a case. @throws ConsiliumError `limit-exceeded` while another is outlined, `study-unknown` */
  predict(caseId: string): Promise<ListedCases>;
  close(): Promise<void>;
}

export function siteCases({ home, exportModel, threads = 2 }: SiteCasesOptions): SiteCases {
  let work: ListedCases["work"] = null;
  let failed: ListedCases["failed"] = null;
  let running: Promise<void> = Promise.resolve();
  let worker: Worker | undefined;
  let closed = false;

  const registered = async (): Promise<RegisteredData | undefined> => readRegisteredData((await readSite(home)).store);
  const isPredicted = async (model: Sha256, files: CaseFiles, { convention }: RegisteredData): Promise<boolean> =>
    existsSync(await predictionPath(home, model, files, convention));
  const find = async (caseId: string): Promise<{ data: RegisteredData; files: CaseFiles }> => {
    const data = await registered();
    const files = data?.cases.find(({ id }) => id === caseId);
    if (data === undefined || files === undefined) throw noSuchPart("case", caseId);
    return { data, files };
  };
  const list = async (): Promise<ListedCases> => {
    const [data, model] = [await registered(), await modelOf(home)];
    if (data === undefined) return { cases: [], model, work, failed };
    const listed = data.cases.map(async (files): Promise<ListedCase> => {
      const { id, subject, images, labelMap } = files;
      return {
        id,
        side: data.split[subject] ?? "training",
        scans: MODALITIES.filter((modality) => images[modality] !== undefined),
        labels: labelMap !== undefined,
        predicted: model !== null && (await isPredicted(model.sha256, files, data)),
      };
    });
    return { cases: await Promise.all(listed), model, work, failed };
  };

  const outline = async (model: Sha256, files: CaseFiles, data: RegisteredData): Promise<void> => {
    let folder: string | undefined;
    try {
      folder = await mkdtemp(join(tmpdir(), "consilium-model-"));
      const modelDir = join(folder, "model");
      await dropStalePredictions(home, model, data);
      await exportModel(modelDir);
      const order: PredictOrder = {
        modelDir,
        files,
        convention: data.convention,
        out: await predictionPath(home, model, files, data.convention),
        threads,
      };
      if (closed) return;
      worker = startWorkerThread(import.meta.url, "console", "predict.worker", { workerData: order });
      await repliesOf(worker, (done, total) => {
        work = { caseId: files.id, done, total };
      });
    } finally {
      await worker?.terminate();
      worker = undefined;
      if (folder !== undefined) await rm(folder, { recursive: true, force: true });
    }
  };

  return {
    list,
    async volume(caseId, part) {
      const { data, files } = await find(caseId);
      const image = MODALITIES.find((modality) => modality === part);
      const model = part === "prediction" ? await modelOf(home) : null;
      const path =
        image !== undefined
          ? files.images[image]
          : part === "labels"
            ? files.labelMap
            : model !== null
              ? await predictionPath(home, model.sha256, files, data.convention)
              : undefined;
      if (path === undefined || !existsSync(path)) throw noSuchPart(part.slice(0, 20), caseId);
      if (image !== undefined) return readBounded(path, caseId);
      const { volume } = await readNifti(path);
      return encodeNifti(labelsToClasses(volume, data.convention, `${part} of ${caseId}`));
    },
    async predict(caseId) {
      const { data, files } = await find(caseId);
      const model = await modelOf(home);
      if (model === null) throw noModel();
      if (closed) throw ended();
      if (work !== null) throw busy(work.caseId);
      work = { caseId, done: 0, total: 1 };
      failed = null;
      running = outline(model.sha256, files, data)
        .catch((error: unknown) => {
          failed = { caseId, error: (error instanceof ConsiliumError ? error : stopped(error)).toJSON() };
        })
        .finally(() => {
          work = null;
        });
      return list();
    },
    async close() {
      closed = true;
      await worker?.terminate();
      await running;
    },
  };
}

async function modelOf(home: string): Promise<ListedCases["model"]> {
  const { studies } = await siteStatus(home);
  const ended = studies.find(({ end }) => end?.kind === "done");
  if (ended?.end?.kind !== "done") return null;
  return { sha256: ended.end.bestSha256, study: ended.name, round: ended.end.bestRound };
}

function repliesOf(worker: Worker, onProgress: (done: number, total: number) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    worker.on("message", (reply: PredictReply) => {
      if (reply.kind === "progress") onProgress(reply.done, reply.total);
      else if (reply.kind === "done") resolve();
      else reject(new ConsiliumError(reply.code, reply.error));
    });
    worker.on("error", reject);
    worker.on("exit", () => reject(new Error("the thread ended")));
  });
}

async function readBounded(path: string, caseId: string): Promise<Uint8Array> {
  const { size } = await stat(path);
  if (size <= LIMITS.volumeBytes) return readFile(path);
  throw new ConsiliumError("limit-exceeded", {
    subject: `a scan of ${caseId}`,
    expected: `a file of at most ${LIMITS.volumeBytes} bytes`,
    actual: `${size} bytes`,
    hint: "Resample or crop the image first.",
  });
}

function noSuchPart(part: string, caseId: string): ConsiliumError {
  return new ConsiliumError("file-not-found", {
    subject: `${part} of case ${caseId.slice(0, 80)}`,
    expected: "a part of a case that is registered here",
    actual: "none",
    hint: "Register it with `consilium site data`, or choose another from the list.",
  });
}

function noModel(): ConsiliumError {
  return new ConsiliumError("study-unknown", {
    subject: "home",
    expected: "a study that ended with a model",
    actual: "none",
    hint: "The site's own model outlines cases once a study has ended.",
  });
}

function busy(caseId: string): ConsiliumError {
  return new ConsiliumError("limit-exceeded", {
    subject: "outlining",
    expected: "one case at a time",
    actual: `${caseId} is being outlined`,
    hint: "Wait until it is done.",
  });
}

function ended(): ConsiliumError {
  return new ConsiliumError("interrupted", {
    subject: "outlining",
    expected: "a console that runs",
    actual: "one that is being closed",
    hint: "Start it again with `consilium site console`.",
  });
}

function stopped(cause: unknown): ConsiliumError {
  return new ConsiliumError("internal", {
    subject: "outlining",
    expected: "work to its end",
    actual: "a stop",
    hint: "If memory ran out, give this machine more; otherwise try the case with `consilium segment`.",
    cause,
  });
}
