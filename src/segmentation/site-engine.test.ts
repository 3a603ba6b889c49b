/** The engine of a site with a network whose forward pass moves and drops values: what a round gives, and gives again. */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { decodeOnnx, type ParameterEntry, parameterView, pickParameters } from "../graph/index.ts";
import { openForwardSession } from "../runtime/index.ts";
import { parseStudy, type Study } from "../study/index.ts";
import { networkParameters, withSharedVectors } from "../training/index.ts";
import { withRunningStatistics } from "./local-round.ts";
import type { SiteData, TrainRequest, TrainResult } from "./local-work.ts";
import { readModelFolder, writeModelFolder } from "./model-folder.ts";
import { createSiteEngine, type SiteEngine } from "./site-engine.ts";
import { smallNetwork, writeSmallSite } from "./testing/small-site.ts";

const SIDE = 8;
const network = smallNetwork();
const initial = networkParameters(network);
const { layout } = initial;

function studyWith(training: object, rest: object = {}): Study {
  return parseStudy({
    schema: "consilium.study/1",
    name: "small",
    task: { channels: ["t1", "flair"] },
    network: { kind: "onnx", file: "small.onnx" },
    training: {
      optimiser: { kind: "adamw", learningRate: 0.01 },
      patch: [SIDE, SIDE, SIDE],
      stepsPerRound: 2,
      ...training,
    },
    rounds: { count: 2 },
    ...rest,
  });
}

let folder: string;
let site: SiteData;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "consilium-engine-"));
  site = await writeSmallSite(folder);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const idle = (): void => undefined;
const firstRound: TrainRequest = {
  parameters: initial.data,
  optimiserState: null,
  stepsTaken: 0,
  round: 1,
  steps: 2,
  siteId: "north",
};
const following = ({ parameters, optimiserState, stepsTaken }: TrainResult): TrainRequest => ({
  ...firstRound,
  parameters: parameters.slice(),
  optimiserState: optimiserState.slice(),
  stepsTaken,
  round: 2,
});

async function trained(study: Study, requests: readonly ((before: TrainResult | undefined) => TrainRequest)[]) {
  const engine = createSiteEngine({ study, network });
  let result: TrainResult | undefined;
  for (const request of requests) result = await engine.train(site, request(result), idle);
  await engine.close();
  if (result === undefined) throw new Error("a round");
  return result;
}

function valuesOf(data: Float32Array, name: string): number[] {
  const entry = layout.entries.find((each) => each.name === name) as ParameterEntry;
  return [...parameterView({ layout, data }, entry)];
}

describe("a network with norms over the batch and dropped values", () => {
  it.each([{}, { accumulate: 2 }])("trains, and gives the same bits after a stop between rounds, %o", async (more) => {
    const study = studyWith(more);
    const first = await trained(study, [() => firstRound]);
    const whole = await trained(study, [() => firstRound, (before) => following(before as TrainResult)]);
    const resumed = await trained(study, [() => following(first)]);
    expect(resumed.parameters).toEqual(whole.parameters);
    expect(resumed.optimiserState).toEqual(whole.optimiserState);
    for (const name of ["norm.running_mean", "norm.running_var", "last.weight"]) {
      expect(valuesOf(first.parameters, name)).not.toEqual(valuesOf(initial.data, name));
      expect(valuesOf(whole.parameters, name)).not.toEqual(valuesOf(first.parameters, name));
    }
    // what is dropped depends on the round (positive control)
    const twice = await trained(study, [() => ({ ...following(first), round: 1 })]);
    expect(twice.parameters).not.toEqual(whole.parameters);
  });

  it("moves running statistics that stay at the site as it moves averaged ones, and lets none out", async () => {
    const statisticsOf = (data: Float32Array): number[] =>
      ["norm.running_mean", "norm.running_var"].flatMap((name) => valuesOf(data, name));
    const averaged = await trained(studyWith({}), [() => firstRound, (before) => following(before as TrainResult)]);
    const local = studyWith({ runningStatistics: "local" });
    const next = (before: TrainResult): TrainRequest => ({
      ...following(before),
      ...(before.runningStatistics && { runningStatistics: before.runningStatistics.slice() }),
    });
    const first = await trained(local, [() => firstRound]);
    const second = await trained(local, [() => next(first)]);
    for (const { parameters } of [first, second]) expect(statisticsOf(parameters)).toEqual(statisticsOf(initial.data));
    expect([...(second.runningStatistics ?? [])]).toEqual(statisticsOf(averaged.parameters));
    expect(withRunningStatistics(layout, second.parameters, second.runningStatistics)).toEqual(averaged.parameters);
    // weights do not depend on statistics that are never looked at in training, and the next statistics do
    const forgetful = await trained(local, [() => following(first)]);
    expect(forgetful.parameters).toEqual(second.parameters);
    expect(forgetful.runningStatistics).not.toEqual(second.runningStatistics);

    const engine = createSiteEngine({ study: local, network });
    const held = { ...site, validationCases: site.trainingCases };
    const { parameters, runningStatistics: statistics = new Float32Array() } = second;
    const scores = await engine.evaluate(held, { parameters, runningStatistics: statistics, overlap: 0 }, idle);
    const placed = await engine.evaluate(held, { parameters: averaged.parameters, overlap: 0 }, idle);
    const without = await engine.evaluate(held, { parameters, overlap: 0 }, idle);
    await engine.close();
    expect(scores).toEqual(placed);
    expect(scores).not.toEqual(without);
  });

  it("is refused with patient-level privacy, also by a site that was told otherwise", async () => {
    const patientLevel = { clipNorm: 1, noiseMultiplier: 1, samplingRate: 0.5, delta: 1e-5 };
    const engine = createSiteEngine({ study: studyWith({}, { privacy: { patientLevel } }), network });
    await expect(engine.train(site, firstRound, idle)).rejects.toThrow(/\[study-invalid\] running statistics norm/);
    await engine.close();
  });

  it("predicts with its running statistics, and drops nothing, in its model folder too", async () => {
    const study = studyWith({});
    const { parameters } = await trained(study, [() => firstRound]);
    const dir = join(folder, "model");
    await writeModelFolder(dir, {
      study,
      network,
      parameters: { layout, data: parameters },
      facts: {
        sites: [],
        round: 1,
        gradientSteps: 2,
        evaluation: { on: "nothing", figures: null },
        lineage: { kind: "one institution", studyHash: "ab".repeat(32), which: "model", parent: null },
      },
    });
    const model = await readModelFolder(dir);
    expect(model.parameters.data).toEqual(parameters);
    const exported = decodeOnnx(await readFile(join(dir, "model.onnx")), "model.onnx");
    expect(exported.initializers.get("norm.running_mean")?.data).toEqual(
      Float32Array.from(valuesOf(parameters, "norm.running_mean")),
    );
    const shape = [1, 2, SIDE, SIDE, SIDE];
    const image = Float32Array.from({ length: 2 * SIDE ** 3 }, (_, i) => Math.sin(i));
    const [fromStudy, fromFolder] = [
      await openForwardSession(network, shape, { threads: 1 }),
      await openForwardSession(model.network, shape, { threads: 1 }),
    ];
    const logits = await fromStudy.run(image, parameters);
    expect(await fromFolder.run(image, pickParameters(model.parameters, fromFolder.layout).data)).toEqual(logits);
    expect(await fromStudy.run(image, initial.data)).not.toEqual(logits);
  });
});

const PLAIN = { kind: "sgd", learningRate: 0.1, momentum: 0, nesterov: false } as const;
const still = { schedule: { kind: "constant" } } as const;

describe("what travels with the model", () => {
  it.each([
    ["moments of Adam", { optimiserState: "share" }],
    ["velocity", { optimiserState: "share", optimiser: { kind: "sgd", learningRate: 0.1 } }],
    ["control variates", { controlVariate: true, optimiser: PLAIN }],
  ])("%s: a stop between rounds changes no bit", async (_, training) => {
    const study = studyWith(training);
    const request = { ...firstRound, parameters: withSharedVectors(study, initial).data };
    const first = await trained(study, [() => request]);
    const whole = await trained(study, [() => request, (before) => following(before as TrainResult)]);
    const resumed = await trained(study, [() => following(first)]);
    expect(first.parameters.length).toBeGreaterThan(layout.length);
    expect(resumed).toEqual(whole);
    // what came with the model, and what the site carried, is used (positive controls)
    const alone = await trained(study, [
      () => ({
        ...following(first),
        parameters: withSharedVectors(study, { layout, data: first.parameters.slice(0, layout.length) }).data,
      }),
    ]);
    expect(alone.parameters.subarray(0, layout.length)).not.toEqual(whole.parameters.subarray(0, layout.length));
  });

  it("shared moments continue those that arrive, whatever the site had itself", async () => {
    const study = studyWith({ optimiserState: "share" });
    const first = await trained(study, [() => ({ ...firstRound, parameters: withSharedVectors(study, initial).data })]);
    const others = following(first);
    const own = await trained(study, [() => ({ ...others, optimiserState: null, stepsTaken: 0 })]);
    expect(own.parameters).toEqual((await trained(study, [() => others])).parameters);
    // one site that shares with nobody goes on as one that keeps its moments, but for rounding on the way
    const kept = studyWith({ optimiserState: "keep" });
    const alone = await trained(kept, [() => firstRound, (before) => following(before as TrainResult)]);
    const distance = alone.parameters.map((value, i) => Math.abs(value - own.parameters[i]));
    expect(Math.max(...distance)).toBeLessThan(1e-5);
  });

  it("a control variate is the mean gradient, and the next round's gradients are corrected by it", async () => {
    const study = studyWith({ controlVariate: true, optimiser: PLAIN, ...still, clipNorm: 1 });
    const plain = studyWith({ optimiser: PLAIN, ...still, clipNorm: 1 });
    const one = { ...firstRound, steps: 1 };
    const vector = withSharedVectors(study, initial).data;
    const first = await trained(study, [() => ({ ...one, parameters: vector })]);
    const unbiased = layout.entries.flatMap(({ buffer, offset, length }) =>
      buffer ? [] : Array.from({ length }, (_, i) => offset + i),
    );
    const stateLength = layout.length;
    const own = first.optimiserState.subarray(stateLength);
    for (const i of unbiased) expect(own[i]).toBeCloseTo((initial.data[i] - first.parameters[i]) / 0.1, 4);
    // of two such sites the other had no gradient at all: c is half of what this site's is
    const half = first.parameters.map((value, i) => (i < layout.length ? value : value / 2));
    const next = { ...one, round: 2, stepsTaken: 1, optimiserState: first.optimiserState.slice() };
    const corrected = await trained(study, [() => ({ ...next, parameters: half.slice() })]);
    const uncorrected = await trained(plain, [
      () => ({ ...next, optimiserState: null, parameters: half.slice(0, layout.length) }),
    ]);
    for (const i of unbiased) {
      // y = x - rate (g + c - c_i)
      expect(corrected.parameters[i] - uncorrected.parameters[i]).toBeCloseTo(-0.1 * (own[i] / 2 - own[i]), 4);
    }
  });
});

describe("partial work", () => {
  const steps = 20;
  const study = studyWith({ stepsPerRound: steps }, { rounds: { count: 2, partialWork: { leastShare: 0.1 } } });
  const stepsTaken = async (
    finishWithinMs: number | undefined,
    onStep: (done: number, engine: SiteEngine) => unknown,
  ) => {
    const engine = createSiteEngine({ study, network });
    const request = { ...firstRound, steps, ...(finishWithinMs !== undefined && { finishWithinMs }) };
    const result = await engine.train(site, request, ({ done }) => onStep(done, engine));
    await engine.close();
    return result.steps;
  };

  it("ends by the time that it was given last, be that earlier or later, and after the least share at the soonest", async () => {
    expect(await stepsTaken(0, idle)).toBe(2);
    expect(await stepsTaken(1e9, idle)).toBe(steps);
    expect(await stepsTaken(1e9, (done, engine) => done === 5 && engine.finishWithin(0))).toBe(5);
    expect(await stepsTaken(0, (done, engine) => done === 1 && engine.finishWithin(1e9))).toBe(steps);
    // work that had no such time gets none
    expect(await stepsTaken(undefined, (done, engine) => done === 5 && engine.finishWithin(0))).toBe(steps);
  });

  it("counts its time from the request, the opening of the network with it", async () => {
    let nowMs = 0;
    vi.spyOn(performance, "now").mockImplementation(() => nowMs);
    const engine = createSiteEngine({ study, network });
    try {
      const training = engine.train(site, { ...firstRound, steps, finishWithinMs: 500 }, idle);
      nowMs = 1000;
      expect((await training).steps).toBe(2);
    } finally {
      vi.restoreAllMocks();
      await engine.close();
    }
  });
});
