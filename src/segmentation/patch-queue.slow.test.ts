/** Patches prepared beside the step: the same bits as drawing them in its thread, never more than the named bound. */
import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { LIMITS } from "../base/index.ts";
import { type CaseFiles, scanDataset, writeCohort } from "../imaging/index.ts";
import { networkOfStudy } from "../networks/index.ts";
import { openTrainingSession } from "../runtime/index.ts";
import { parseStudy } from "../study/index.ts";
import { learningRateAt, networkParameters, stepOptionsOfStudy } from "../training/index.ts";
import { caseStoreOfStudy } from "./case-store.ts";
import { drawBatches, emptyBatches } from "./draw-batches.ts";
import type { SiteData } from "./local-work.ts";
import { openPatchQueue, type PatchQueue } from "./patch-queue.ts";
import { createSiteEngine } from "./site-engine.ts";

const study = parseStudy({
  schema: "consilium.study/1",
  name: "patches",
  task: { spacingMm: 8 },
  network: { kind: "unet3d", levels: 2, baseFeatures: 2 },
  training: {
    optimiser: { kind: "sgd", learningRate: 0.02 },
    patch: [8, 8, 8],
    batch: 2,
    accumulate: 2,
    stepsPerRound: 4,
  },
  rounds: { count: 1 },
});

let folder = "";
let site: SiteData;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "consilium-patches-"));
  await writeCohort({ dir: join(folder, "data"), cases: 3, seed: 3, spacingMm: 8 });
  const { cases, convention } = await scanDataset(join(folder, "data"), {});
  site = { siteId: "a", trainingCases: cases, validationCases: [], convention };
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const queues: PatchQueue[] = [];
afterEach(async () => {
  for (const queue of queues.splice(0)) await queue.close();
});
function open(): PatchQueue {
  const queue = openPatchQueue(study);
  queues.push(queue);
  return queue;
}

it("gives the bits that drawing in place gives, in order, for the request that was started last", async () => {
  const queue = open();
  queue.start(site, { round: 9, steps: 5, siteId: "a" });
  await queue.next();
  const request = { round: 2, steps: 5, siteId: "b" };
  queue.start(site, request);
  const store = caseStoreOfStudy(study);
  for (let step = 0; step < request.steps; step++) {
    const prepared = await queue.next();
    const expected = emptyBatches(study);
    await drawBatches(store, study, site, request, step, expected);
    expect(prepared).toEqual(expected);
    expect(prepared.every(({ cases }) => cases.length === 2)).toBe(true);
    queue.giveBack(prepared);
  }
});

it("holds the bound: no more steps are prepared until one is given back", async () => {
  const queue = open();
  queue.start(site, { round: 1, steps: 20, siteId: "a" });
  const held = [];
  for (let i = 0; i < LIMITS.preparedSteps + 1; i++) held.push(await queue.next());
  const blocked = queue.next();
  const outcome = await Promise.race([blocked, new Promise((resolve) => setTimeout(resolve, 500, "nothing"))]);
  expect(outcome).toBe("nothing");
  queue.giveBack(held[0]);
  expect(await blocked).toHaveLength(2);
});

it("has patches ready while a step holds its thread", async () => {
  const queue = open();
  queue.start(site, { round: 1, steps: 12, siteId: "a" });
  queue.giveBack(await queue.next());
  const cold = queue.waits();
  for (let step = 1; step < 12; step++) {
    for (const until = performance.now() + 300; performance.now() < until; );
    queue.giveBack(await queue.next());
  }
  expect(queue.waits() - cold).toBe(0);
});

it("says which case could not be read", async () => {
  const queue = open();
  await cp(join(folder, "data"), join(folder, "broken"), { recursive: true });
  const { cases } = await scanDataset(join(folder, "broken"), {});
  await rm(join(folder, "broken"), { recursive: true });
  queue.start({ ...site, trainingCases: cases }, { round: 1, steps: 1, siteId: "a" });
  await expect(queue.next()).rejects.toMatchObject({
    message: expect.stringContaining((cases[0] as CaseFiles).id.slice(0, 7)),
  });
});

it("trains to the same bits as a loop without it", async () => {
  const network = networkOfStudy(study);
  const initial = networkParameters(network).data;
  const request = { round: 1, steps: 4, siteId: "a" };
  const engine = createSiteEngine({ study, network });
  const full = { ...request, parameters: initial, optimiserState: null, stepsTaken: 0 };
  const { parameters } = await engine.train(site, full, () => undefined);
  await engine.close();

  const { threads, accumulate, batch, patch } = study.training;
  const inputShape = [batch, study.task.channels.length, ...patch.toReversed()];
  const session = await openTrainingSession(network, { ...stepOptionsOfStudy(study, inputShape), accumulate, threads });
  session.load(initial, null, 0);
  const store = caseStoreOfStudy(study);
  for (let step = 0; step < request.steps; step++) {
    const batches = emptyBatches(study);
    await drawBatches(store, study, site, request, step, batches);
    await session.step(batches, learningRateAt(study, request.round, step / request.steps));
  }
  expect(Buffer.from(parameters.buffer)).toEqual(Buffer.from(session.parameters().slice().buffer));
  expect(parameters).not.toEqual(initial);
  await session.close();
});

it("names step, batch and cases where a loss is no number", async () => {
  const wild = parseStudy({
    schema: "consilium.study/1",
    name: "wild",
    task: { spacingMm: 8 },
    network: { kind: "unet3d", levels: 2, baseFeatures: 2 },
    training: { optimiser: { kind: "sgd", learningRate: 0.02 }, patch: [8, 8, 8], stepsPerRound: 1 },
    rounds: { count: 1 },
  });
  const network = networkOfStudy(wild);
  const engine = createSiteEngine({ study: wild, network });
  const parameters = networkParameters(network).data.fill(Number.NaN);
  const velocity = new Float32Array(parameters.length);
  const request = { round: 1, steps: 1, siteId: "a", parameters, optimiserState: velocity, stepsTaken: 7 };
  await expect(engine.train(site, request, () => undefined)).rejects.toMatchObject({
    code: "training-diverged",
    subject: expect.stringMatching(/^step 8, batch 1 \(Phantom_\d+\)$/),
  });
  await engine.close();
});
