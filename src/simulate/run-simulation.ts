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
import type { LoweringTable } from "../training/index.ts";
import { type Conclusion, concludeRun } from "./conclude-run.ts";
import { withOverrides } from "./default-study.ts";
import { federateInMemory } from "./federate-in-memory.ts";
import type { FederatedRun } from "./federated-run.ts";
import { chooseRate } from "./learning-rates.ts";
import type { SiteSizes } from "./partition.ts";
import type { OnRunNews } from "./progress.ts";
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
  /** Learning rates of which federated and pooled training each take the best; the study's alone unless given. */
  readonly learningRates?: readonly number[];
  /** Engines side by side; the bits do not depend on it. */
  readonly workers: number;
  /** How gradients are lowered, instead of the table that ships. */
  readonly lowerings?: LoweringTable | undefined;
  /** How the run was started, for the report. */
  readonly command: string;
  readonly signal?: AbortSignal;
}

/** @throws ConsiliumError `file-exists` for an output folder that holds files, and what data, study and engine refuse. */
export async function runSimulation(options: SimulationOptions, onProgress: OnRunNews): Promise<Conclusion> {
  const startedMs = performance.now();
  const { study, network, initial, workers } = options;
  const out = resolve(options.out);
  await refuseUsedFolder(out);
  const { sites, heldOut, convention } = await laySites(options, out);
  const cacheDir = join(out, "cache");
  const federate = (variant: Study, folder: string): Promise<FederatedRun> =>
    federateInMemory({
      study: variant,
      network,
      initial,
      sites,
      convention,
      out: folder,
      workers,
      cacheDir,
      lowerings: options.lowerings,
      onProgress,
      ...pick(options),
    });
  const { learningRates: rates = [study.training.optimiser.learningRate] } = options;
  const runs: { rate: number; trained: FederatedRun }[] = [];
  for (const rate of rates) {
    const folder = rates.length === 1 ? out : join(out, `learning-rate-${rate}`);
    runs.push({ rate, trained: await federate(withOverrides(study, { learningRate: rate }), folder) });
  }
  const { rate, trained: run, tried } = chooseRate(runs, validationDice);
  const chosen = withOverrides(study, { learningRate: rate });
  const concluded = { ...options, study: chosen, run, out, heldOut, convention, cacheDir, startedMs, onProgress };
  return concludeRun({ ...concluded, triedRates: tried });
}

/** Mean Dice on the sites' validation cases of the round that the model comes from. */
function validationDice({ rounds, modelRound }: FederatedRun): number | null {
  return rounds.find(({ round }) => round === modelRound)?.dice?.mean ?? null;
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
  const { mayMiss } = study.task;
  const scan = { ...(data.labels && { labels: data.labels }), ...(mayMiss && { mayMiss }) };
  if (data.kind === "folders") {
    const first = await scanDataset(data.sites[0].dir, scan);
    const heldOut = data.heldOut === undefined ? [] : (await scanDataset(data.heldOut, scan)).cases;
    return { sites: data.sites, heldOut, convention: first.convention };
  }
  const dataset = await scanDataset(data.dataset, scan);
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
