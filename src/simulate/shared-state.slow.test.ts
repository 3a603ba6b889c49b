/**
 * What travels beside a model, through a whole federation in one process: two sites on real engines, and the same
 * rounds by hand, from each site's engine to the exact mean. The same bits, plain and masked.
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { aggregateRound, encodeUpdate, quantiseUpdate, updateScales } from "../aggregation/index.ts";
import { sha256 } from "../base/index.ts";
import { bufferValues, type Parameters, parametersSha256, parameterView, pickParameters } from "../graph/index.ts";
import { writeCohort } from "../imaging/index.ts";
import { networkOfStudy } from "../networks/index.ts";
import { EVALUATION, openEnginePool, summariseScores, type TrainResult } from "../segmentation/index.ts";
import { parseStudy, type Study, stepsOfRound } from "../study/index.ts";
import { networkParameters, withSharedVectors } from "../training/index.ts";
import { federateInMemory } from "./federate-in-memory.ts";
import type { FederatedRun, SiteOfRun } from "./federated-run.ts";
import { normedModel } from "./testing/normed-model.ts";

const SITES = ["east", "west"];
const ROUNDS = 2;
const UNET = { kind: "unet3d", levels: 2, baseFeatures: 2 };
const PLAIN = { kind: "sgd", learningRate: 0.02, momentum: 0, nesterov: false };

function studyWith(training: object, privacy: object = {}, network: object = UNET): Study {
  return parseStudy({
    schema: "consilium.study/1",
    name: "shared state",
    task: { spacingMm: 6 },
    network,
    training: {
      optimiser: { kind: "adamw", learningRate: 0.01 },
      patch: [8, 8, 8],
      stepsPerRound: { patchesPerCase: 2 },
      seed: 5,
      ...training,
    },
    rounds: { count: ROUNDS },
    privacy,
  });
}

let folder = "";
const dataOf = (site: string): string => join(folder, "data", site);
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "consilium-shared-state-"));
  // of different size, so that a weighted mean is not a plain one
  await writeCohort({ dir: dataOf("east"), cases: 3, seed: 3, firstCase: 0, firstSite: 0, spacingMm: 6 });
  await writeCohort({ dir: dataOf("west"), cases: 6, seed: 3, firstCase: 3, firstSite: 1, spacingMm: 6 });
}, 120_000);
afterAll(() => rm(folder, { recursive: true, force: true }));

async function federated(study: Study, name: string, model?: Uint8Array): Promise<FederatedRun> {
  const network = networkOfStudy(study, model);
  const modelFile = join(folder, `${name}.onnx`);
  if (model !== undefined) await writeFile(modelFile, model);
  return federateInMemory({
    study,
    network,
    initial: networkParameters(network),
    ...(model !== undefined && { modelFile }),
    sites: SITES.map((id) => ({ id, dir: dataOf(id) })),
    convention: "brats2021",
    out: join(folder, name),
    workers: 1,
    cacheDir: join(folder, "cache"),
    onProgress: () => undefined,
  });
}

/** The model of each round. @param onTrained is told what a site's engine gave. */
async function byHand(
  study: Study,
  sites: readonly SiteOfRun[],
  model?: Uint8Array,
  onTrained: (round: number, weight: number, trained: TrainResult) => void = () => undefined,
): Promise<Parameters[]> {
  const network = networkOfStudy(study, model);
  const pool = openEnginePool({ study, network, workers: 1, cacheDir: join(folder, "cache") });
  const initial = networkParameters(network);
  let global = withSharedVectors(study, initial);
  const carried = new Map<string, TrainResult>();
  const models: Parameters[] = [];
  const { precisionBits } = study.aggregation;
  for (let round = 1; round <= ROUNDS; round++) {
    const updates = [];
    for (const { id, data } of sites) {
      const before = carried.get(id);
      const weight = data.trainingCases.length;
      const trained = await pool.forSite(data).train({
        parameters: global.data.slice(),
        optimiserState: before?.optimiserState.slice() ?? null,
        ...(before?.runningStatistics && { runningStatistics: before.runningStatistics.slice() }),
        stepsTaken: before?.stepsTaken ?? 0,
        round,
        steps: stepsOfRound(study, weight),
        siteId: id,
      });
      carried.set(id, { ...trained, optimiserState: trained.optimiserState.slice() });
      onTrained(round, weight, trained);
      const local = { layout: global.layout, data: trained.parameters };
      const { coordinates } = quantiseUpdate(global, local, updateScales(global, precisionBits), precisionBits);
      const bytes = encodeUpdate(coordinates).slice();
      updates.push({
        siteId: id,
        weight,
        bytes: bytes.length,
        read: (start: number, into: Uint8Array) => readFrom(bytes, start, into),
      });
    }
    global = (await aggregateRound({ global, updates, precisionBits })).parameters;
    models.push(pickParameters(global, initial.layout));
  }
  await pool.close();
  return models;
}

async function readFrom(bytes: Uint8Array, start: number, into: Uint8Array): Promise<number> {
  into.set(bytes.subarray(start, start + into.length));
  return into.length;
}

describe("a federation", () => {
  it.each([
    ["shared moments", studyWith({ optimiserState: "share" })],
    ["shared moments, masked", studyWith({ optimiserState: "share" }, { secureAggregation: { threshold: 2 } })],
    ["control variates", studyWith({ controlVariate: true, optimiser: PLAIN })],
  ])(
    "with %s does what the same rounds do by hand",
    async (name, study) => {
      const run = await federated(study, name.replaceAll(/\W+/g, "-"));
      const models = await byHand(study, run.sites);
      expect(parametersSha256(run.model)).toBe(parametersSha256(models[run.modelRound - 1]));
      // another treatment of the same study ends elsewhere (positive control)
      const kept = {
        ...study,
        training: { ...study.training, optimiserState: "keep", controlVariate: false },
      } as const;
      const others = await byHand(kept, run.sites);
      expect(parametersSha256(others[ROUNDS - 1])).not.toBe(parametersSha256(models[ROUNDS - 1]));
    },
    300_000,
  );

  it("averages running statistics over the sites by their cases, as it does weights", async () => {
    const model = normedModel();
    const study = studyWith(
      { runningStatistics: "averaged" },
      {},
      {
        kind: "onnx",
        file: "normed.onnx",
        sha256: sha256(model),
      },
    );
    const run = await federated(study, "running-statistics", model);
    const { layout } = networkParameters(networkOfStudy(study, model));
    const meanOf = (data: Float32Array): Float32Array => {
      const entry = layout.entries.find(({ name }) => name === "mean");
      expect(entry).toMatchObject({ buffer: true, length: 3 });
      return entry === undefined ? new Float32Array() : parameterView({ layout, data }, entry);
    };
    const ofSites: { weight: number; mean: Float32Array }[] = [];
    const models = await byHand(study, run.sites, model, (round, weight, { parameters }) => {
      if (round === 1) ofSites.push({ weight, mean: meanOf(parameters).slice() });
    });
    expect(parametersSha256(run.model)).toBe(parametersSha256(models[run.modelRound - 1]));
    const [east, west] = ofSites;
    const averaged = meanOf(models[0].data);
    averaged.forEach((value, i) => {
      expect(Math.abs(east.mean[i] - west.mean[i])).toBeGreaterThan(1e-3);
      const expected = (east.weight * east.mean[i] + west.weight * west.mean[i]) / (east.weight + west.weight);
      expect(value).toBeCloseTo(expected, 4);
    });
    // frozen, they are no part of what is trained (positive control)
    const frozen = networkOfStudy(studyWith({ runningStatistics: "frozen" }, {}, study.network), model);
    expect(networkParameters(frozen).layout.entries.map(({ name }) => name)).not.toContain("mean");
  }, 300_000);

  it.each([
    ["plain", {}],
    ["masked", { secureAggregation: { threshold: 2 } }],
  ])(
    "leaves running statistics at the sites, %s: none in the update, each site's in what it measures",
    async (name, privacy) => {
      const model = normedModel();
      const network = { kind: "onnx", file: "normed.onnx", sha256: sha256(model) };
      const study = studyWith({ runningStatistics: "local" }, privacy, network);
      const run = await federated(study, `local-statistics-${name}`, model);
      const initial = networkParameters(networkOfStudy(study, model));
      const { layout } = initial;
      const statisticsOf = (data: Float32Array): Float32Array => bufferValues(layout, data);
      const results: { round: number; trained: TrainResult }[] = [];
      const models = await byHand(study, run.sites, model, (round, _weight, trained) => {
        results.push({ round, trained: { ...trained, parameters: trained.parameters.slice() } });
      });
      expect(parametersSha256(run.model)).toBe(parametersSha256(models[run.modelRound - 1]));
      expect(statisticsOf(run.model.data)).toEqual(statisticsOf(initial.data));
      for (const { trained } of results) expect(statisticsOf(trained.parameters)).toEqual(statisticsOf(initial.data));
      const own = results
        .filter(({ round }) => round === run.modelRound)
        .map(({ trained }) => trained.runningStatistics);
      expect(own[0]).not.toEqual(own[1]);
      expect(run.sites.map(({ runningStatistics: statistics }) => statistics)).toEqual(own);

      // what the coordinator was told of the model is what each site measures with its own
      const pool = openEnginePool({ study, network: networkOfStudy(study, model), workers: 1, cacheDir: folder });
      const dice = async (statistics: readonly (Float32Array | undefined)[]): Promise<number> => {
        const measured = run.sites.map(({ data }, i) => {
          const mine = statistics[i];
          return pool
            .forSite(data)
            .evaluate({ parameters: run.model.data, ...(mine && { runningStatistics: mine }), ...EVALUATION });
        });
        const scores = (await Promise.all(measured)).flat().map(({ regions }) => regions);
        return summariseScores(scores, Object.keys(study.task.regions)).dice.mean ?? Number.NaN;
      };
      const told = run.rounds.find(({ round }) => round === run.modelRound)?.dice?.mean;
      expect(told).toBeCloseTo(await dice(own), 10);
      const apart = await Promise.all([dice([]), dice(own.toReversed())]);
      await pool.close();
      for (const other of apart) expect(Math.abs(other - (told ?? 0))).toBeGreaterThan(1e-6);

      // averaged, the same rounds end in a model with other statistics (positive control)
      const averaged = { ...study, training: { ...study.training, runningStatistics: "averaged" } } as const;
      const [, leaked] = await byHand(averaged, run.sites, model);
      expect(statisticsOf(leaked.data)).not.toEqual(statisticsOf(initial.data));
    },
    300_000,
  );
});
