/**
 * The federation's training in one process: a coordinator on a home of its own, and sites with theirs, which join by
 * invitation, register their data, approve the study and train, all by the code that real processes run. Only the
 * sockets are missing.
 */
import { setMaxListeners } from "node:events";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ConsiliumError, systemClock } from "../base/index.ts";
import {
  type Coordinator,
  type CoordinatorState,
  initCoordinator,
  openCoordinator,
  type StudyResult,
} from "../coordinator/index.ts";
import { type Graph, type Parameters, parametersFromSafetensors, pickParameters } from "../graph/index.ts";
import type { LabelConvention } from "../imaging/index.ts";
import { plannedLedger } from "../privacy/index.ts";
import { type Enrolment, type EnrolOptions, enrolInMemory, memoryLink } from "../protocol/index.ts";
import { type EnginePool, openEnginePool } from "../segmentation/index.ts";
import {
  approveStudy,
  joinFederation,
  type OpenSite,
  openSite,
  type Pause,
  registerDataset,
  runSite,
  type SiteEvent,
  setPrivacyBudget,
} from "../site/index.ts";
import { type Study, siteTrains } from "../study/index.ts";
import type { LoweringTable } from "../training/index.ts";
import type { FederatedRun } from "./federated-run.ts";
import type { OnRunNews } from "./progress.ts";
import { describeRun } from "./run-record.ts";
import type { SiteFolder } from "./site-folders.ts";

export interface InMemoryOptions {
  readonly study: Study;
  readonly network: Graph;
  readonly initial: Parameters;
  /** Path of the ONNX model, where the study's network is a file. */
  readonly modelFile?: string;
  readonly sites: readonly SiteFolder[];
  /** How the cases' labels are written. */
  readonly convention: LabelConvention;
  /** Homes are made below it. */
  readonly out: string;
  readonly workers: number;
  readonly cacheDir: string;
  /** How gradients are lowered, instead of the table that ships. */
  readonly lowerings?: LoweringTable | undefined;
  readonly onProgress: OnRunNews;
  readonly signal?: AbortSignal;
}

const PRODUCT = "simulation";
/** Pauses, work underway and messages on their way. */
const LISTENERS_PER_SITE = 10;
/** What is paid round by round and what is planned at once differ by rounding. */
const BUDGET_ROOM = 1 + 1e-9;
/** Nobody dials it. */
const ADDRESS = "127.0.0.1:1";

/** @throws ConsiliumError `quorum-not-reached` where the study fails, and whatever ends a site's work. */
export async function federateInMemory(options: InMemoryOptions): Promise<FederatedRun> {
  const { study, network, out, workers, cacheDir, sites, lowerings } = options;
  await mkdir(out, { recursive: true });
  const home = join(out, "coordinator");
  await initCoordinator({ home, name: study.name, listen: ADDRESS, nowMs: systemClock.nowMs() });
  const coordinator = await openCoordinator({ home });
  const pool = openEnginePool({ study, network, workers, cacheDir, lowerings });
  const opened: OpenSite[] = [];
  try {
    for (const [i, site] of sites.entries()) {
      opened.push(await admit(coordinator, site, options));
      options.onProgress({ phase: "Checking the sites' data", done: i + 1, total: sites.length });
    }
    const { initial: initialParameters, modelFile } = options;
    await coordinator.submitStudy({ study, initialParameters, ...(modelFile !== undefined && { modelFile }) });
    const result = await runToEnd(coordinator, pool, opened, options);
    if (result.bestModel === null) throw studyFailed(study, result);
    const best = parametersFromSafetensors(await readFile(result.bestModel.path), result.bestModel.path);
    const model = pickParameters(best, initialParameters.layout);
    return await describeRun(home, coordinator.state(), opened, model, result.bestModel.round);
  } finally {
    await Promise.all(opened.map((site) => site.close()));
    await pool.close();
    await coordinator.close();
  }
}

/**
 * Invites a site, joins it and registers its data. A simulated hospital allows what the study declares, as its
 * reviewer approves whatever is offered.
 */
async function admit(coordinator: Coordinator, { id, dir }: SiteFolder, options: InMemoryOptions): Promise<OpenSite> {
  const folder = join(options.out, "sites");
  await mkdir(folder, { recursive: true });
  const { text } = await coordinator.invite({ siteId: id });
  const invitationFile = join(folder, `${id}.invitation.json`);
  await writeFile(invitationFile, text, { mode: 0o600 });
  const home = join(folder, id);
  const enrolBy = (enrolment: EnrolOptions): Promise<Enrolment> => enrolInMemory(coordinator.service, enrolment);
  await joinFederation({ home, invitationFile, productVersion: PRODUCT, enrolBy });
  const privateCounts = options.study.metrics === "summed";
  await registerDataset({ home, dataset: dir, labels: options.convention, privateCounts });
  const planned = plannedLedger(options.study);
  if (planned !== undefined) {
    const { epsilon, delta, accountant } = planned;
    await setPrivacyBudget(home, { epsilon: epsilon * BUDGET_ROOM, delta, accountant });
  }
  return openSite(home);
}

async function runToEnd(
  coordinator: Coordinator,
  pool: EnginePool,
  sites: readonly OpenSite[],
  options: InMemoryOptions,
): Promise<StudyResult> {
  const stop = new AbortController();
  const signal = options.signal === undefined ? stop.signal : AbortSignal.any([stop.signal, options.signal]);
  // Every site listens on its own; Node warns of a leak from the eleventh listener on.
  setMaxListeners(LISTENERS_PER_SITE * sites.length, signal);
  const stopTelling = tellProgress(coordinator, options);
  const pause = pauseUntilNews(coordinator);
  const running = sites.map((site) => {
    const link = memoryLink(coordinator.service, { siteId: site.siteId, keySha256: site.keySha256 });
    return runSite({
      site,
      link,
      productVersion: PRODUCT,
      pause,
      signal,
      openWork: ({ data }) => Promise.resolve(pool.forSite(data)),
      onEvent: async (event) => {
        if (event.kind === "failure") options.onProgress({ line: tellFailure(site.siteId, event) });
        if (event.kind !== "review") return;
        await approveStudy({ home: site.home, study: event.studyHash, decision: "approve", productVersion: PRODUCT });
      },
    });
  });
  try {
    const ended = coordinator.waitForStudyEnd(signal);
    const broken = Promise.all(running).then(() => ended);
    return await Promise.race([ended, broken]);
  } finally {
    stop.abort(
      new ConsiliumError("interrupted", {
        subject: "simulation",
        expected: "its end",
        actual: "a stop",
        hint: "Start it again.",
      }),
    );
    await Promise.allSettled(running);
    stopTelling();
  }
}

/** An idle site waits until the study moves on, or its time is over. */
function pauseUntilNews(coordinator: Coordinator): Pause {
  return (ms, signal) =>
    new Promise((resolve) => {
      const before = standOf(coordinator.state());
      const done = (): void => {
        clearTimeout(timer);
        stopListening();
        signal.removeEventListener("abort", done);
        resolve();
      };
      const timer = setTimeout(done, ms);
      const stopListening = coordinator.onNews((news) => {
        if (news.kind === "event" && standOf(news.state) !== before) done();
      });
      signal.addEventListener("abort", done);
      if (signal.aborted) done();
    });
}

/** What decides the sites' directives, as far as all sites share it. */
function standOf({ phase }: CoordinatorState): string {
  // A masked round has several steps in one phase; each begins with a deadline of its own.
  return `${phase.kind} ${"round" in phase ? phase.round : ""} ${"deadlineMs" in phase ? phase.deadlineMs : ""}`;
}

/** Progress in updates, as they come in. */
function tellProgress(coordinator: Coordinator, { study, sites, onProgress }: InMemoryOptions): () => void {
  const trainers = sites.filter(({ id }) => siteTrains(study, id)).length;
  const total = study.rounds.count * Math.min(study.rounds.sitesPerRound ?? trainers, trainers);
  let done = 0;
  return coordinator.onNews((news) => {
    if (news.kind !== "event") return;
    const { event } = news;
    if (event.kind === "update-received") {
      done++;
      onProgress({
        phase: `Training together at rate ${study.training.optimiser.learningRate}, round ${event.round} of ${study.rounds.count}`,
        done,
        total,
        ...(event.meanLoss !== null && { note: `loss ${event.meanLoss.toFixed(3)}` }),
      });
    }
  });
}

/** In a simulation the operator of every site is whoever runs it, so the whole reason is told. */
function tellFailure(siteId: string, { round, times, error }: SiteEvent & { readonly kind: "failure" }): string {
  return `Round ${round}: ${siteId} failed${times > 1 ? ` ${times} times` : ""}: ${error.message}`;
}

function studyFailed(study: Study, { end }: StudyResult): ConsiliumError {
  return new ConsiliumError("quorum-not-reached", {
    subject: `study ${study.name}`,
    expected: "a model after its last round",
    actual: end.kind === "failed" ? `a failure in round ${end.round}: ${end.reason}` : "none",
    hint: "See the sites' failures in the status, mend them and run again.",
  });
}
