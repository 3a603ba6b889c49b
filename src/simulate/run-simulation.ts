/**
 * A whole federation in one process: the coordinator and the sites of the product, joined in memory through the real
 * codec, on cases dealt out to as many sites as asked for. It ends with the model, its figures beside the baselines,
 * and a report.
 */
import { mkdir, readdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { ConsiliumError } from "../base/index.ts";
import type { Graph, Parameters } from "../graph/index.ts";
import { type CaseFiles, type LabelConvention, scanDataset } from "../imaging/index.ts";
import type { Study } from "../study/index.ts";
import { type Conclusion, concludeRun } from "./conclude-run.ts";
import { federateInMemory } from "./federate-in-memory.ts";
import type { SiteSizes } from "./partition.ts";
import type { OnRunProgress } from "./progress.ts";
import { dealCases, linkSiteFolders, type SiteFolder } from "./site-folders.ts";

export type SimulatedData =
  /** One dataset, dealt out by seed. */
  | {
      readonly kind: "dealt";
      readonly dataset: string;
      readonly labels?: LabelConvention;
      readonly sites: number;
      readonly sizes: SiteSizes;
      readonly holdOut: readonly string[];
    }
  /** A dataset folder for each site, as real sites have, and one of patients that no site has. */
  | {
      readonly kind: "folders";
      readonly sites: readonly SiteFolder[];
      readonly heldOut?: string;
      readonly labels?: LabelConvention;
    };

export interface SimulationOptions {
  readonly study: Study;
  readonly network: Graph;
  readonly initial: Parameters;
  /** Path of the ONNX model, where the study's network is a file. */
  readonly modelFile?: string;
  readonly data: SimulatedData;
  /** A folder that does not exist yet, or is empty. */
  readonly out: string;
  readonly baselines: boolean;
  /** Engines side by side; the bits do not depend on it. */
  readonly workers: number;
  /** How the run was started, for the report. */
  readonly command: string;
  readonly signal?: AbortSignal;
}

/** @throws ConsiliumError `file-exists` for an output folder that holds files, and what data, study and engine refuse. */
export async function runSimulation(options: SimulationOptions, onProgress: OnRunProgress): Promise<Conclusion> {
  const startedMs = performance.now();
  const { study, network, initial, workers } = options;
  const out = resolve(options.out);
  await refuseUsedFolder(out);
  const { sites, heldOut, convention } = await laySites(options, out);
  const cacheDir = join(out, "cache");
  const run = await federateInMemory({
    study,
    network,
    initial,
    sites,
    out,
    workers,
    cacheDir,
    onProgress,
    ...pick(options),
  });
  return concludeRun({ ...options, run, out, heldOut, convention, cacheDir, startedMs, onProgress });
}

function pick({ signal, modelFile }: SimulationOptions): { signal?: AbortSignal; modelFile?: string } {
  return { ...(signal !== undefined && { signal }), ...(modelFile !== undefined && { modelFile }) };
}

interface LaidSites {
  readonly sites: readonly SiteFolder[];
  readonly heldOut: readonly CaseFiles[];
  readonly convention: LabelConvention;
}

async function laySites({ data, study }: SimulationOptions, out: string): Promise<LaidSites> {
  const labels = data.labels === undefined ? {} : { labels: data.labels };
  if (data.kind === "folders") {
    const first = await scanDataset(data.sites[0].dir, labels);
    const heldOut = data.heldOut === undefined ? [] : (await scanDataset(data.heldOut, labels)).cases;
    return { sites: data.sites, heldOut, convention: first.convention };
  }
  const dataset = await scanDataset(data.dataset, labels);
  if (dataset.problems.length > 0) throw dataset.problems[0].error;
  const dealt = dealCases(dataset, { ...data, seed: study.training.seed });
  return {
    sites: await linkSiteFolders(dealt, join(out, "data")),
    heldOut: dealt.heldOut,
    convention: dataset.convention,
  };
}

async function refuseUsedFolder(out: string): Promise<void> {
  await mkdir(out, { recursive: true });
  const held = await readdir(out);
  if (held.length === 0) return;
  throw new ConsiliumError("file-exists", {
    subject: out,
    expected: "a folder that is new or empty",
    actual: `one that holds ${held.length} entries`,
    hint: "Give another --out, or move the old run away.",
  });
}
