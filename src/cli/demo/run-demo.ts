/**
 * The demonstration: three hospitals and a coordinator as processes on this machine, over mutual TLS, train one
 * network on phantoms that none of them shares; then the model is measured beside its baselines and used on patients
 * that no hospital has.
 */
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { stringify } from "yaml";
import { ConsiliumError } from "../../base/index.ts";
import { adminClient, openCoordinator } from "../../coordinator/index.ts";
import { parametersFromSafetensors, pickParameters } from "../../graph/index.ts";
import { scanDataset } from "../../imaging/index.ts";
import { networkOfStudy } from "../../networks/index.ts";
import { type Conclusion, concludeRun, describeRun } from "../../simulate/index.ts";
import { readSite } from "../../site/index.ts";
import { networkParameters } from "../../training/index.ts";
import type { Progress } from "../progress.ts";
import { takeDemoFolder } from "./demo-folder.ts";
import type { DemoPlan } from "./demo-plan.ts";
import { type Commands, createCommands, type RunningCommand } from "./processes.ts";

export interface DemoOptions {
  readonly plan: DemoPlan;
  readonly seed: number;
  /** Emptied first, where it is of an earlier demonstration. */
  readonly out: string;
  readonly launcher: string;
  readonly command: string;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

export interface DemoOutcome extends Conclusion {
  /** Folder of a patient whom no hospital has. */
  readonly exampleCase: string;
}

const POLL_MS = 1_000;
const READY_PATIENCE_MS = 60_000;
const ENGINES = 2;

export async function runDemo(options: DemoOptions): Promise<DemoOutcome> {
  const startedMs = performance.now();
  const { plan, out, launcher, signal } = options;
  await takeDemoFolder(out);
  const commands = createCommands(launcher, signal);
  try {
    const heldOutDir = await makePatients(options, commands);
    await runFederation(options, commands);
    return await measure(options, commands, heldOutDir, startedMs);
  } finally {
    await commands.stopAll();
    await rm(join(out, "cache"), { recursive: true, force: true });
    for (const { id } of plan.hospitals) await rm(join(out, id, "cache"), { recursive: true, force: true });
  }
}

/** Phantoms for each hospital, of its own scanner, and for patients whom none of them has. */
async function makePatients({ plan, seed, out, progress }: DemoOptions, commands: Commands): Promise<string> {
  const { hospitals, heldOut, spacingMm } = plan;
  const total = hospitals.reduce((sum, { cases }) => sum + cases, heldOut);
  let [made, first] = [0, 0];
  const queue: (() => Promise<void>)[] = [];
  const make = (dir: string, cases: number, firstSite: number, sites: number): void => {
    const firstCase = first;
    first += cases;
    queue.push(async () => {
      const numbers = { cases, seed, firstCase, firstSite, sites, spacing: spacingMm };
      const flags = Object.entries(numbers).flatMap(([name, value]) => [
        `--${name.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`)}`,
        String(value),
      ]);
      await commands.run("cohort", "make", "--out", dir, ...flags);
      made += cases;
      progress.update({ label: "Making phantoms", done: made, total, unit: "patients" });
    });
  };
  hospitals.forEach(({ id, cases }, i) => make(join(out, id, "data"), cases, i, 1));
  const heldOutDir = join(out, "held-out");
  make(heldOutDir, heldOut, 0, hospitals.length);
  progress.note(
    `Making ${total} phantom patients: ${hospitals.map(({ name, cases }) => `${cases} at ${name}`).join(", ")}, ${heldOut} that no hospital has`,
  );
  for (const { id } of hospitals) await mkdir(join(out, id), { recursive: true });
  await Promise.all(
    [0, 1].map(async () => {
      for (let next = queue.shift(); next !== undefined; next = queue.shift()) await next();
    }),
  );
  return heldOutDir;
}

async function runFederation(options: DemoOptions, commands: Commands): Promise<void> {
  const { plan, out, progress } = options;
  const home = join(out, "coordinator");
  const studyFile = join(out, "study.yaml");
  await writeFile(studyFile, stringify(plan.study));
  await commands.run(
    "coordinator",
    "init",
    "--home",
    home,
    "--name",
    "Demonstration federation",
    "--listen",
    "127.0.0.1:0",
    "--unencrypted",
  );
  const coordinator = commands.start("coordinator", "start", "--home", home);
  await untilServing(coordinator);
  progress.note("The coordinator listens; each hospital joins with its invitation and a key made there");
  await Promise.all(plan.hospitals.map(({ id }) => joinHospital(commands, home, join(out, id), id)));
  const submitted = (await commands.run("study", "submit", "--home", home, studyFile)) as { studyHash: string };
  progress.note(`Study ${submitted.studyHash.slice(0, 12)} submitted; each hospital reviews it and signs its approval`);
  const sites: RunningCommand[] = [];
  await Promise.all(
    plan.hospitals.map(async ({ id }) => {
      const siteHome = join(out, id, "home");
      await commands.run("site", "review", "--home", siteHome);
      await commands.run("site", "approve", "--home", siteHome, submitted.studyHash);
      sites.push(commands.start("site", "start", "--home", siteHome, "--once"));
    }),
  );
  await follow(options, home, [coordinator, ...sites]);
  await Promise.all(sites.map(({ ended }) => ended));
  await coordinator.stop();
}

async function joinHospital(commands: Commands, home: string, folder: string, id: string): Promise<void> {
  const invitation = join(folder, "invitation.json");
  await commands.run("coordinator", "invite", "--home", home, "--site", id, "--out", invitation);
  await commands.run("site", "join", "--home", join(folder, "home"), "--invitation", invitation);
  await commands.run("site", "data", "--home", join(folder, "home"), "--dataset", join(folder, "data"));
}

async function untilServing(coordinator: RunningCommand): Promise<void> {
  if (await Promise.race([coordinator.says("listens on"), wait(READY_PATIENCE_MS), coordinator.ended])) return;
  throw new ConsiliumError("unreachable", {
    subject: "the demonstration's coordinator",
    expected: `to listen within ${READY_PATIENCE_MS / 1000} s`,
    actual: "silence",
    hint: "Run the demonstration again; if it stays silent, run consilium coordinator start by itself.",
  });
}

function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Shows the rounds as they close, until the study has ended. */
async function follow(
  { plan, progress, signal }: DemoOptions,
  home: string,
  processes: readonly RunningCommand[],
): Promise<void> {
  let toldRound = 0;
  const gone = Promise.race(processes.map(({ ended }) => ended.then(() => undefined)));
  // Awaited below; until then a process that fails must not leave it unheard.
  gone.catch(() => undefined);
  for (;;) {
    signal.throwIfAborted();
    const { study } = await adminClient(home).status();
    if (study !== null) {
      // A round that is being evaluated is told once its figures are in.
      const told = study.phase === "evaluating" ? study.rounds.slice(0, -1) : study.rounds;
      for (const { round, dice, seconds } of told.slice(toldRound)) {
        const figures = dice === null ? "" : `, Dice at the hospitals ${dice.mean?.toFixed(3) ?? "–"}`;
        progress.note(`Round ${round} of ${study.roundsInAll} closed after ${seconds.toFixed(0)} s${figures}`);
        toldRound = round;
      }
      progress.update({
        label: "Training together",
        done: study.rounds.length,
        total: plan.study.rounds.count,
        unit: "rounds",
      });
      if (study.end?.kind === "failed") throw failed(study.end.reason);
      if (study.end !== null) return;
    }
    await Promise.race([wait(POLL_MS), gone]);
  }
}

function failed(reason: string): ConsiliumError {
  return new ConsiliumError("quorum-not-reached", {
    subject: "the demonstration's study",
    expected: "a model after its last round",
    actual: reason,
    hint: "Run the demonstration again; see the hospitals' logs in its folder.",
  });
}

async function measure(
  { plan, out, progress, command, signal }: DemoOptions,
  commands: Commands,
  heldOutDir: string,
  startedMs: number,
): Promise<DemoOutcome> {
  const { study, hospitals } = plan;
  const network = networkOfStudy(study);
  const coordinator = await openCoordinator({ home: join(out, "coordinator") });
  try {
    const { bestModel } = await coordinator.waitForStudyEnd(signal);
    if (bestModel === null) throw failed("no model");
    const best = parametersFromSafetensors(await readFile(bestModel.path), bestModel.path);
    const model = pickParameters(best, networkParameters(network).layout);
    const sites = await Promise.all(hospitals.map(({ id }) => readSite(join(out, id, "home"))));
    const run = await describeRun(join(out, "coordinator"), coordinator.state(), sites, model, bestModel.round);
    const heldOut = await scanDataset(heldOutDir);
    progress.note("The federation is done. Now its references: one model on pooled data, one at each hospital alone");
    const concluded = await concludeRun({
      study,
      network,
      initial: networkParameters(network),
      run,
      heldOut: heldOut.cases,
      convention: heldOut.convention,
      baselines: true,
      workers: ENGINES,
      out,
      cacheDir: join(out, "cache"),
      command,
      startedMs,
      otherPeakRssBytes: () => commands.peakRssBytes(),
      onProgress: ({ phase, done, total }) => progress.update({ label: phase, done, total }),
    });
    return { ...concluded, exampleCase: heldOut.cases[0].folder };
  } finally {
    await coordinator.close();
  }
}
