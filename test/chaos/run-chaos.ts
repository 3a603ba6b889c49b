/**
 * One simulated history of a federation: coordinator and sites of the product over a seeded clock, network and disk,
 * killed and started again at seeded moments, checked all along. The seed is the history.
 */
import { createPrivateKey } from "node:crypto";
import { ConsiliumError, canonicalJson, type Json, type Sha256, sha256 } from "../../src/base/index.ts";
import {
  assembleCoordinator,
  type Coordinator,
  type CoordinatorState,
  roundCount,
  roundsOf,
} from "../../src/coordinator/index.ts";
import { type Parameters, parameterLayout } from "../../src/graph/index.ts";
import type { CaseFiles } from "../../src/imaging/index.ts";
import { readCertificate } from "../../src/protocol/index.ts";
import {
  type RunOutcome,
  readReviews,
  runSite,
  type Site,
  splitBySubject,
  writeDecision,
} from "../../src/site/index.ts";
import { registerMadeUp } from "../../src/site/testing/test-site.ts";
import { tinyWork } from "../../src/site/testing/tiny-work.ts";
import { parseStudy, type Study } from "../../src/study/index.ts";
import { type Checkers, createCheckers, Violation } from "./checkers.ts";
import { type Fixture, type JoinedSite, memorySecrets } from "./fixture.ts";
import {
  emptyCoordinatorDisk,
  emptySiteDisk,
  memoryJournal,
  memoryObjects,
  memorySiteStore,
  type SiteDisk,
} from "./memory-stores.ts";
import { type NetworkFaults, simulatedLink } from "./network.ts";
import { removeTail, type Sabotage, sabotagedJournal, sabotagedObjects, sabotagedWork } from "./sabotage.ts";
import { createDisk, createLife, createWorld, type DiskFaults, type Life, sleep, type World } from "./world.ts";

export interface ChaosOptions {
  readonly fixture: Fixture;
  readonly seed: number;
  readonly rounds: number;
  /**
   * `calm`: nothing goes wrong. `fixed`: cohort and work are fixed, and the final model must be that of the calm run.
   * `timed`: deadlines decide who is in a round.
   */
  readonly kind: "calm" | "fixed" | "timed";
  /** Whether sums are masked. */
  readonly masked?: boolean;
  readonly sabotage?: Sabotage;
}

export interface ChaosResult {
  /** What did not hold. */
  readonly violation?: string;
  readonly end: "done" | "failed" | "none";
  /** Rounds that became a model. */
  readonly rounds: number;
  /** Masked rounds that became none. */
  readonly failedRounds: number;
  readonly finalSha256?: Sha256;
  /** Digest of what each site told of its data, where it was heard in time. */
  readonly statistics: Readonly<Record<string, Sha256>>;
  /** Digest of each cell of the cross-site matrix, by who measured it, whose model it is and the update that made that. */
  readonly cells: Readonly<Record<string, Sha256>>;
  readonly deaths: { readonly coordinator: number; readonly sites: number };
  readonly pauses: number;
  readonly events: number;
  /** Of all events' kinds in their order: equal seeds have equal ones. */
  readonly trace: Sha256;
}

/** What a site writes down of the round that it is in, as far as it is looked at here. */
interface RoundDocument {
  readonly round: number;
  readonly globalSha256: Sha256;
  readonly update?: { readonly sha256: Sha256 };
}

interface Faults {
  readonly network: NetworkFaults;
  readonly coordinatorDisk: DiskFaults;
  readonly siteDisk: DiskFaults;
  readonly pause: number;
}

const CALM: Faults = {
  network: { loss: 0, duplication: 0, delay: 0, partition: 0 },
  coordinatorDisk: { death: 0, full: 0 },
  siteDisk: { death: 0, full: 0 },
  pause: 0,
};
const STORM: Faults = {
  network: { loss: 0.03, duplication: 0.05, delay: 0.05, partition: 0.005 },
  coordinatorDisk: { death: 0.003, full: 0.003 },
  siteDisk: { death: 0.003, full: 0.001 },
  pause: 0.02,
};
const TIMING = { heartbeatMs: 500, pauseMs: 2_000, backoffMinMs: 100, backoffMaxMs: 1_000 };
const LONGEST_REST_MS = 1_500;
const LONGEST_WORLD_MS = 6 * 86_400_000;
const EVENTS_PER_ROUND = 20_000;
const CHANNELS = chaosStudy({ seed: 0, rounds: 1, kind: "calm" }).task.channels;

/** Of three sites. */
const THRESHOLD = 2;

/** Masked or not, the same work comes to the same models. */
function chaosStudy({ seed, rounds, kind, masked = false }: Omit<ChaosOptions, "fixture">): Study {
  // A masked round has several steps, each of which may fail it: so short that some do.
  const timed = masked ? { quorum: THRESHOLD, deadlineS: 3 + (seed % 5) / 4 } : { quorum: 1, deadlineS: 4 };
  return parseStudy({
    schema: "consilium.study/1",
    name: "Chaos",
    network: { kind: "unet3d", levels: 2 },
    training: { optimiser: { kind: "sgd", learningRate: 0.05 }, patch: [8, 8, 8], stepsPerRound: 2, seed: 7 },
    rounds: {
      count: rounds,
      ...(masked ? {} : { crossSite: "last" }),
      ...(kind === "timed" ? timed : { deadlineS: 86_400 * 30 }),
    },
    ...(masked && { privacy: { secureAggregation: { threshold: THRESHOLD } } }),
    statistics: { leastPatients: 3, intensities: { bins: 4 }, volumes: {}, labels: true },
    retain: "last:1",
  });
}

export async function runChaos(options: ChaosOptions): Promise<ChaosResult> {
  const { fixture, seed, rounds, kind, masked = false, sabotage } = options;
  const faults = kind === "calm" ? CALM : STORM;
  const { startMs } = fixture;
  const world = createWorld({ seed, startMs, longestMs: LONGEST_WORLD_MS, mostEvents: rounds * EVENTS_PER_ROUND });
  const study = chaosStudy(options);
  const { precisionBits } = study.aggregation;
  const kept = emptyCoordinatorDisk();
  kept.records.push(...fixture.records);
  const cases = Object.fromEntries(fixture.sites.map((site) => [site.siteId, trainingCasesOf(site)]));
  const checkers = createCheckers({ kept, precisionBits, cases, ...(masked && { threshold: THRESHOLD }) });
  const trace: string[] = [];
  const deaths = { coordinator: 0, sites: 0 };
  let pauses = 0;
  let broken: string | undefined;
  let state: CoordinatorState | undefined;
  let running: { readonly coordinator: Coordinator; readonly life: Life } | undefined;
  const breakWith = (error: unknown): void => {
    broken ??= error instanceof Error ? error.message : String(error);
  };
  const guarded = (work: () => void): void => {
    try {
      work();
    } catch (error) {
      breakWith(error);
    }
  };
  const diskOfSites = fixture.sites.map(() => emptySiteDisk());
  let planted = false;

  async function startCoordinator(): Promise<void> {
    const life = createLife(() => {
      deaths.coordinator++;
      running = undefined;
      if (!planted) planted = removeTail(sabotage, kept, diskOfSites);
      world.after(world.random.between(0, LONGEST_REST_MS), () => void startCoordinator().catch(breakWith));
    });
    const disk = createDisk(world, life, faults.coordinatorDisk);
    const coordinator = await assembleCoordinator({
      home: fixture.home,
      clock: world,
      timers: { after: (ms, work) => world.after(ms, () => life.isAlive() && work()) },
      journal: sabotagedJournal(memoryJournal(kept, disk), sabotage, kept),
      store: sabotagedObjects(memoryObjects(kept, disk), sabotage, kept, () => state, precisionBits),
      secrets: memorySecrets(),
      lock: { release: () => undefined },
      dormant: false,
    }).catch((error: unknown) => {
      // A disk without room at the start: the operator starts it again.
      if (!isDiskFull(error)) throw error;
      life.kill();
      return undefined;
    });
    if (coordinator === undefined || !life.isAlive()) return;
    running = { coordinator, life };
    state = coordinator.state();
    checkNow(checkers.sawStart);
    coordinator.onNews((news) => {
      if (!life.isAlive()) return;
      if (news.kind === "trouble") return noteTrouble(news.error);
      if (news.kind === "way") return;
      trace.push(news.event.kind);
      state = news.state;
      checkNow(checkers.sawEvent);
      if (world.random.chance(faults.pause)) void pauseAWhile(coordinator).catch(ignoreRefusal);
    });
  }

  function checkNow(check: (state: CoordinatorState) => void): void {
    const now = state;
    if (now !== undefined) guarded(() => check(now));
  }

  function noteTrouble(error: unknown): void {
    if (isDiskFull(error)) return;
    breakWith(error);
  }

  async function pauseAWhile(coordinator: Coordinator): Promise<void> {
    await coordinator.changeStudy({ kind: "study-paused", reason: "chaos" });
    pauses++;
  }

  /** Whoever paused the study resumes it, whatever coordinator runs then. */
  function resumeNowAndThen(): void {
    world.after(world.random.between(0, LONGEST_REST_MS), () => {
      if (running)
        void running.coordinator.changeStudy({ kind: "study-resumed", reason: "chaos" }).catch(ignoreRefusal);
      resumeNowAndThen();
    });
  }

  /** An update is a site's once its document names it. */
  function noteUpdate(siteId: string, { objects }: SiteDisk, name: string, value: Json): void {
    if (!name.endsWith("/round")) return;
    const { round, globalSha256, update } = value as unknown as RoundDocument;
    const bytes = update && objects.get(update.sha256);
    if (bytes === undefined) return;
    if (sabotage === "mask-missing") kept.archive.set(sha256(bytes), bytes);
    guarded(() => checkers.sawUpdate(siteId, { round, globalSha256, bytes }));
  }

  const outcomes = new Map<string, RunOutcome>();
  async function startSite(i: number): Promise<void> {
    const joined = fixture.sites[i];
    const life = createLife(() => {
      deaths.sites++;
      again(i);
    });
    const disk = createDisk(world, life, faults.siteDisk);
    const store = memorySiteStore(diskOfSites[i], disk);
    const site = siteOf(joined, fixture, {
      ...store,
      write(name, value) {
        noteUpdate(joined.siteId, diskOfSites[i], name, value);
        return store.write(name, value);
      },
    });
    const link = simulatedLink({
      world,
      faults: faults.network,
      life,
      coordinator: () => running?.coordinator,
      peer: { siteId: site.siteId, keySha256: site.keySha256 },
      kept: diskOfSites[i],
      disk,
      answered: (request, reply) => guarded(() => checkers.sawAnswer(site.siteId, request, reply)),
    });
    const pause = (ms: number, signal: AbortSignal): Promise<void> => sleep(world, life, ms, signal);
    const rest = (): Promise<void> => sleep(world, life, world.random.between(0, 100));
    try {
      const outcome = await runSite({
        site,
        link,
        clock: world,
        pause,
        wait: pause,
        timing: TIMING,
        productVersion: "chaos",
        openWork: sabotagedWork(tinyWork({ onStep: rest }), sabotage),
        onEvent: async (event) => {
          if (event.kind === "review") await approveAll(site);
        },
      });
      outcomes.set(site.siteId, outcome);
    } catch (error) {
      if (isDiskFull(error)) return again(i);
      breakWith(error);
    }
  }
  function again(i: number): void {
    world.after(world.random.between(0, LONGEST_REST_MS), () => void startSite(i).catch(breakWith));
  }

  for (const [i, joined] of fixture.sites.entries()) await registerCases(joined, diskOfSites[i], world);
  await startCoordinator();
  const initialParameters = startingParameters();
  submitUntilTaken();
  function submitUntilTaken(): void {
    if (state?.study) return;
    void running?.coordinator.submitStudy({ study, initialParameters }).catch((error: unknown) => {
      if (!isDiskFull(error) && !(error instanceof ConsiliumError && error.code === "study-refused")) breakWith(error);
    });
    world.after(1_000, submitUntilTaken);
  }
  if (faults.pause > 0) resumeNowAndThen();
  for (const i of fixture.sites.keys()) again(i);
  try {
    await world.runUntil(() => broken !== undefined || outcomes.size === fixture.sites.length);
  } catch (error) {
    breakWith(error);
  }
  const told = state;
  if (broken === undefined && told !== undefined) guarded(() => checkEnd(checkers, told, [...outcomes.values()]));
  const { phase, study: record } = state ?? {};
  return {
    ...(broken !== undefined && { violation: broken }),
    end: phase?.kind === "done" || phase?.kind === "failed" ? phase.kind : "none",
    rounds: roundCount(record),
    failedRounds: record?.failedRounds?.length ?? 0,
    ...(phase?.kind === "done" && { finalSha256: phase.final.sha256 }),
    statistics: Object.fromEntries(
      Object.entries(record?.statistics?.sites ?? {}).map(([siteId, { figures }]) => {
        return [siteId, sha256(canonicalJson(figures as unknown as Json))];
      }),
    ),
    cells: cellsOf(record),
    deaths,
    pauses,
    events: world.events(),
    trace: sha256(canonicalJson(trace)),
  };
}

/** What was measured, by who measured it and the update that made the model; times are left out. */
function cellsOf(record: CoordinatorState["study"] | undefined): Record<string, Sha256> {
  const cells: Record<string, Sha256> = {};
  for (const { round, cells: rows } of record?.matrices ?? []) {
    const updates = roundsOf(record).find((each) => each.round === round)?.updates ?? {};
    for (const [by, row] of Object.entries(rows)) {
      for (const [of, { cases, regions }] of Object.entries(row)) {
        cells[`${by} ${of} ${updates[of].sha256}`] = sha256(canonicalJson({ cases, regions } as unknown as Json));
      }
    }
  }
  return cells;
}

function checkEnd(checkers: Checkers, state: CoordinatorState, outcomes: readonly RunOutcome[]): void {
  checkers.atTheEnd(state);
  const { phase } = state;
  for (const outcome of outcomes) {
    const agrees =
      phase.kind === "done"
        ? outcome.kind === "done" && outcome.finalSha256 === phase.final.sha256
        : outcome.kind === phase.kind;
    if (!agrees) throw new Violation(`the study is ${phase.kind}, and a site ended as ${outcome.kind}`);
  }
}

/** Refusals of a change that came too late, and a full disk. */
function ignoreRefusal(error: unknown): void {
  if (!(error instanceof ConsiliumError) || error.code === "internal") throw error;
}

function isDiskFull(error: unknown): boolean {
  return error instanceof ConsiliumError && error.code === "disk-full";
}

function siteOf({ siteId, keyPem, enrolment }: JoinedSite, { home, startMs }: Fixture, store: Site["store"]): Site {
  const { certificatePem, authorityPem } = enrolment;
  return {
    home: "",
    siteId,
    membership: {
      schema: "consilium.site/1",
      siteId,
      federationName: home.name,
      federationId: home.id,
      address: home.address,
      joinedAtMs: startMs,
    },
    store,
    keyPem,
    certificatePem,
    authorityPem,
    privateKey: createPrivateKey(keyPem),
    keySha256: readCertificate(certificatePem).keySha256,
  };
}

async function approveAll(site: Site): Promise<void> {
  for (const review of await readReviews(site.store)) {
    await writeDecision(site.store, review, { approved: true, reason: "", decidedAtMs: 1 });
  }
}

async function registerCases(joined: JoinedSite, kept: ReturnType<typeof emptySiteDisk>, world: World): Promise<void> {
  const disk = createDisk(
    world,
    createLife(() => undefined),
    { death: 0, full: 0 },
  );
  await registerMadeUp({ store: memorySiteStore(kept, disk) }, casesOf(joined));
}

function casesOf({ siteId, cases }: JoinedSite): CaseFiles[] {
  return Array.from({ length: cases }, (_, i) => {
    const id = `${siteId}-${i}`;
    const images = Object.fromEntries(CHANNELS.map((channel) => [channel, `/data/${id}/${channel}`]));
    return { id, subject: id, folder: `/data/${id}`, images, labelMap: `/data/${id}/seg` };
  });
}

function trainingCasesOf(site: JoinedSite): number {
  const sides = splitBySubject(casesOf(site), 0);
  return Object.values(sides).filter((side) => side === "training").length;
}

function startingParameters(): Parameters {
  const layout = parameterLayout(
    new Map([
      ["w", [30, 20]],
      ["b", [50]],
    ]),
  );
  return { layout, data: Float32Array.from({ length: layout.length }, (_, i) => Math.fround(20 * Math.sin(i))) };
}
