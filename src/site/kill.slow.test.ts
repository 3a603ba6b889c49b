/** Coordinator and sites as processes over TLS, killed with SIGKILL in mid-round: the model stays the same bit for bit. */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { stoppedFederation } from "./testing/federation-suite.ts";
import { openProcesses, type Processes, type TestProcess } from "./testing/processes.ts";
import { temporaryFolder, tinyStudy } from "./testing/test-site.ts";

const STEP_MS = "60";
const SUMMED = { algorithm: "fedavg", weightBy: "cases", precisionBits: 24 };
const STUDY = tinyStudy({ rounds: { count: 4 }, aggregation: SUMMED });
const MASKED = tinyStudy({
  rounds: { count: 4 },
  aggregation: SUMMED,
  privacy: { secureAggregation: { threshold: 2 } },
});

let root: string;
let processes: Processes;
beforeAll(async () => {
  root = await temporaryFolder();
  processes = await openProcesses();
});
afterAll(async () => {
  await processes.close();
  await rm(root, { recursive: true, force: true });
});

async function finalOf(sites: readonly TestProcess[]): Promise<unknown> {
  const ends = await Promise.all(sites.map((site) => site.until(({ kind }) => kind === "ended done")));
  expect(new Set(ends.map(({ finalSha256 }) => finalSha256)).size).toBe(1);
  return ends[0].finalSha256;
}

const inTraining = (round: number) => (line: Record<string, unknown>) =>
  line.kind === "progress" && line.activity === "training" && line.round === round;

/** What nobody's death disturbs. */
async function calmFinal(): Promise<unknown> {
  const calm = await stoppedFederation(join(root, "calm"), STUDY);
  const coordinator = processes.start("coordinator-process", calm.home);
  await coordinator.until(({ kind }) => kind === "serving");
  const final = await finalOf(calm.sites.map(({ home }) => processes.start("site-process", home, STEP_MS)));
  await coordinator.kill();
  return final;
}

let undisturbed: unknown;
beforeAll(async () => {
  undisturbed = await calmFinal();
}, 120_000);

const sent = (round: number) => (line: Record<string, unknown>) => line.kind === "update-sent" && line.round === round;

it("ends with the same model whether or not coordinator and sites are killed", { timeout: 240_000 }, async () => {
  const stormy = await stoppedFederation(join(root, "stormy"), STUDY);
  let coordinator = processes.start("coordinator-process", stormy.home);
  await coordinator.until(({ kind }) => kind === "serving");
  const [a, b, c] = stormy.sites.map(({ home }) => processes.start("site-process", home, STEP_MS));
  await a.until(inTraining(1));
  await a.kill();
  const aAgain = processes.start("site-process", stormy.sites[0].home, STEP_MS);
  await aAgain.until(inTraining(2));
  await coordinator.kill();
  await b.kill();
  coordinator = processes.start("coordinator-process", stormy.home);
  const bAgain = processes.start("site-process", stormy.sites[1].home, STEP_MS);
  await c.until(inTraining(3));
  await c.kill();
  await coordinator.kill();
  coordinator = processes.start("coordinator-process", stormy.home);
  const serving = coordinator.until(({ kind }) => kind === "serving");
  const cAgain = processes.start("site-process", stormy.sites[2].home, STEP_MS);
  const [final] = await Promise.all([finalOf([aAgain, bAgain, cAgain]), serving]);
  expect(final).toBe(undisturbed);
  await coordinator.kill();
});

it("ends with the same model, masked, where sites die in training and while the sum is opened", {
  timeout: 240_000,
}, async () => {
  const { home, sites } = await stoppedFederation(join(root, "masked"), MASKED);
  let coordinator = processes.start("coordinator-process", home);
  await coordinator.until(({ kind }) => kind === "serving");
  const [a, b, c] = sites.map((site) => processes.start("site-process", site.home, STEP_MS));
  await a.until(inTraining(1));
  await a.kill();
  const aAgain = processes.start("site-process", sites[0].home, STEP_MS);
  // Its masked update is with the coordinator; it has yet to sign and to reveal.
  await b.until(sent(1));
  await b.kill();
  const bAgain = processes.start("site-process", sites[1].home, STEP_MS);
  await c.until(sent(2));
  await Promise.all([c.kill(), coordinator.kill()]);
  coordinator = processes.start("coordinator-process", home);
  const cAgain = processes.start("site-process", sites[2].home, STEP_MS);
  expect(await finalOf([aAgain, bAgain, cAgain])).toBe(undisturbed);
  await coordinator.kill();
});
