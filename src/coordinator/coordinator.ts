/**
 * A coordinator, opened on its home: the one place where its parts are wired together.
 *
 * Invariants: one process at a time has a home open (a lock that the kernel lets go of); whatever killed the process
 * before, the state is what the journal says, and the duties of that state are taken up at once.
 */
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import {
  type Clock,
  ConsiliumError,
  invariant,
  LIMITS,
  type Sha256,
  systemClock,
  systemTimers,
  type Timers,
} from "../base/index.ts";
import {
  certificateFingerprint,
  checkSiteId,
  type FederationService,
  type FolderLock,
  formatInvitation,
  lockFolder,
} from "../protocol/index.ts";
import { type Study, studyHash } from "../study/index.ts";
import { makeSuccessor, serverAuthority, unlocked } from "./authority.ts";
import { openContacts } from "./contacts.ts";
import { createDuties } from "./duties.ts";
import type { CoordinatorEvent } from "./events.ts";
import { type Federation, type Home, keepBoundAddress, readHome, renewServerCertificate } from "./home.ts";
import { type Journal, openJournal } from "./journal.ts";
import { type Machine, openMachine } from "./machine.ts";
import { type ObjectStore, openObjectStore } from "./object-store.ts";
import { bestByRegion, bestOf } from "./phases/ending.ts";
import type { ObjectRef, RoundRules, StudyEnd } from "./records.ts";
import { openSecrets, type Secrets } from "./secrets.ts";
import { createService } from "./service.ts";
import type { CoordinatorState } from "./state.ts";
import { stateOfStudy } from "./state-of-study.ts";
import { type CoordinatorStatus, statusOf } from "./status.ts";
import { type PreparedStudy, type StudyToSubmit, storeStudyObjects } from "./study-objects.ts";
import type { Verdict } from "./verdict.ts";

const LONGEST_INVITATION_HOURS = 24 * 90;
const LOCK_FILE = "coordinator.lock";
const LOCK_PATIENCE_MS = 1_000;
const LOCK_RETRY_MS = 50;

export interface OpenOptions {
  readonly home: string;
  readonly clock?: Clock | undefined;
  /** Look and write down, but do no work: for a command on the home of a coordinator that is stopped. */
  readonly dormant?: boolean | undefined;
  /** Of the authority's key, where that is sealed: needed to serve sites and to rotate the authority. */
  readonly passphrase?: string | undefined;
}

export interface RotatedAuthority {
  readonly fromSha256: Sha256;
  readonly toSha256: Sha256;
  /** Until when certificates of both are believed. */
  readonly endsMs: number;
}

export type CoordinatorNews =
  | { readonly kind: "event"; readonly event: CoordinatorEvent; readonly state: CoordinatorState }
  /** A site comes by sealed calls, with mutual TLS off, or over mutual TLS again. */
  | { readonly kind: "way"; readonly siteId: string; readonly mutualTls: boolean }
  /** Something went wrong at the coordinator itself; it goes on. */
  | { readonly kind: "trouble"; readonly error: unknown };

export interface InviteRequest {
  readonly siteId: string;
  /** LIMITS.invitationValidHours unless given. */
  readonly validHours?: number | undefined;
}

export interface MadeInvitation {
  readonly siteId: string;
  readonly expiresMs: number;
  /** The invitation file's text: hand it to the site by a private way. */
  readonly text: string;
}

/** A pause, a resumption or other rules, with the reason that sites are told. */
export type LiveRequest = { readonly reason: string } & (
  | { readonly kind: "study-paused" | "study-resumed" | "study-begun" }
  | ({ readonly kind: "study-changed" } & Partial<RoundRules>)
);

export interface SubmittedStudy {
  readonly hash: Sha256;
  readonly name: string;
  readonly roster: readonly string[];
  /** Sites that were invited and have not joined: they take no part in this study. */
  readonly notJoined: readonly string[];
}

/** What an ended study leaves: where its models lie. */
export interface StudyResult {
  readonly study: Study;
  /** The study's ONNX model, where its network is a file. */
  readonly network: (ObjectRef & { readonly path: string }) | null;
  readonly end: StudyEnd;
  readonly finalModel: (ObjectRef & { readonly path: string; readonly round: number }) | null;
  readonly bestModel: (ObjectRef & { readonly path: string; readonly round: number }) | null;
  /** The model of the highest mean Dice in each region; empty where no site has figures. */
  readonly bestByRegion: Readonly<Record<string, ObjectRef & { readonly path: string; readonly round: number }>>;
}

export interface Coordinator {
  readonly service: FederationService;
  federation(): Federation;
  state(): CoordinatorState;
  /**
   * @param roundsAfter leaves out rounds up to this one
   * @param study by name or hash, as it was when it ended; the one underway, or the last, unless given
   * @throws ConsiliumError `study-unknown`
   */
  status(roundsAfter?: number, study?: string): CoordinatorStatus;
  /** @throws ConsiliumError `message-invalid` for the site's name, `limit-exceeded`, `disk-full` */
  invite(request: InviteRequest): Promise<MadeInvitation>;
  /** @throws ConsiliumError `study-refused`, `study-invalid`, `quorum-not-reached`, `site-unknown`, `disk-full` */
  submitStudy(study: StudyToSubmit): Promise<SubmittedStudy>;
  submitPrepared(study: PreparedStudy): Promise<SubmittedStudy>;
  stopStudy(reason: string): Promise<void>;
  /** @throws ConsiliumError `study-unknown`, `study-refused` for rules that do not fit, `usage` where nothing changes */
  changeStudy(change: LiveRequest): Promise<void>;
  /** Ends a site's membership. @throws ConsiliumError `site-unknown` */
  revokeSite(siteId: string, reason: string): Promise<void>;
  /**
   * Founds the authority that takes over from the present one; both are believed for some days.
   * @throws ConsiliumError `authority-rotating`, `passphrase-missing`, `usage`, `disk-full`
   */
  rotateAuthority(overlapDays?: number): Promise<RotatedAuthority>;
  /** Hears of everything from now on; returns how to stop listening. */
  onNews(listener: (news: CoordinatorNews) => void): () => void;
  /** The end of the study underway, or undefined while it goes on. */
  result(study?: string): StudyResult | undefined;
  /** Resolves when the study underway ends; at once where it has. */
  waitForStudyEnd(signal?: AbortSignal): Promise<StudyResult>;
  /** Where an object lies on disk. */
  objectPath(sha256: Sha256): string;
  /** The journal as it lies there: for auditors. */
  readonly journal: Pick<Journal, "head" | "page" | "countersigned">;
  /** Looks at the clock now: for clocks that move by hand. */
  tick(): Promise<void>;
  /** Ends what runs, closes the journal, lets go of the home. */
  close(): Promise<void>;
  /** For the server: what it listens with, and the address that it got. */
  readonly serving: {
    home(): Home;
    /** The home with a certificate of its own that is good now. */
    refresh(): Promise<Home>;
    /** Calls back when authorities changed; returns how to stop listening. */
    onIdentity(listener: () => void): () => void;
    begin(boundAddress: string): Promise<void>;
    end(): void;
    readonly clock: Clock;
  };
}

/** @throws ConsiliumError `home-invalid`, `home-locked`, `journal-corrupt`, `folder-not-writable` */
export async function openCoordinator(options: OpenOptions): Promise<Coordinator> {
  const { home: folder, clock = systemClock } = options;
  const home = await readHome(folder, options.passphrase);
  if (!options.dormant) unlocked(home.authority);
  const lock = await lockCoordinatorHome(folder, options.dormant ? 0 : LOCK_PATIENCE_MS);
  try {
    const locked = home.authority.keyPem === undefined;
    const renewed = locked ? home : await renewServerCertificate(home, clock.nowMs());
    const store = await openStore(folder);
    const journal = await openJournal(join(folder, "journal.db"));
    try {
      const secrets = await openSecrets(folder);
      const dormant = options.dormant ?? false;
      return await assembleCoordinator({
        home: renewed,
        clock,
        timers: systemTimers,
        store,
        journal,
        secrets,
        lock,
        dormant,
      });
    } catch (error) {
      journal.close();
      throw error;
    }
  } catch (error) {
    lock.release();
    throw error;
  }
}

/** The home's object store; whole objects may be added by several processes at a time. */
export async function openStore(folder: string): Promise<ObjectStore> {
  return openObjectStore(join(folder, "objects"));
}

/** What a coordinator is made of: of files and real time behind `openCoordinator`, of anything else in simulations. */
export interface CoordinatorParts {
  readonly home: Home;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly store: ObjectStore;
  readonly journal: Journal;
  readonly secrets: Secrets;
  readonly lock: FolderLock;
  readonly dormant: boolean;
}

/** A command may hold the lock for a moment; a coordinator that starts waits so long and no longer. */
export async function lockCoordinatorHome(folder: string, patienceMs = 0): Promise<FolderLock> {
  for (let waitedMs = 0; ; waitedMs += LOCK_RETRY_MS) {
    try {
      return await lockFolder(folder, LOCK_FILE, "coordinator");
    } catch (error) {
      const busy = error instanceof ConsiliumError && error.code === "home-locked";
      if (!busy || waitedMs >= patienceMs) throw error;
      await new Promise((resolve) => setTimeout(resolve, LOCK_RETRY_MS));
    }
  }
}

/** @throws ConsiliumError `journal-corrupt`, `journal-version`, `journal-rolled-back` */
export async function assembleCoordinator(parts: CoordinatorParts): Promise<Coordinator> {
  const { home: opened, clock, timers, store, journal, secrets, lock, dormant } = parts;
  let home = opened;
  let serving = false;
  let trouble: CoordinatorStatus["trouble"] = null;
  const listeners = new Set<(news: CoordinatorNews) => void>();
  const identityListeners = new Set<() => void>();
  const tell = (news: CoordinatorNews): void => {
    for (const listener of [...listeners]) {
      try {
        listener(news);
      } catch {
        // A listener's own fault: the federation goes on.
      }
    }
  };
  const tellTrouble = (error: unknown): void => {
    trouble = { message: error instanceof Error ? error.message : String(error), atMs: clock.nowMs() };
    tell({ kind: "trouble", error });
  };
  const machineOf = (): Machine => {
    invariant(machine !== undefined, "a machine that is open");
    return machine;
  };
  const stateWith = (study: string | undefined): CoordinatorState =>
    study === undefined ? machineOf().state() : stateOfStudy(machineOf().state(), study);
  let machine: Machine | undefined;
  const duties = createDuties({ machine: machineOf, store, clock, timers, trouble: tellTrouble });
  const contacts = await openContacts(journal);
  machine = await openMachine(journal, {
    taken: (event, state) => tell({ kind: "event", event, state }),
    due: (effects) => dormant || duties.start(effects),
  });
  if (!dormant) {
    await machine.take({ kind: "coordinator-started", atMs: clock.nowMs() });
    duties.start(machine.duties());
  }

  const take = async (event: CoordinatorEvent): Promise<void> => accepted(await machineOf().take(event));
  const submitPrepared = async (prepared: PreparedStudy): Promise<SubmittedStudy> => {
    const hash = studyHash(prepared.study);
    await take({ kind: "study-submitted", hash, ...prepared, atMs: clock.nowMs() });
    return submittedStudy(machineOf().state(), hash);
  };
  const service = createService({
    machine: machineOf,
    secrets,
    store,
    contacts,
    chain: { head: journal.head, holds: journal.holds, rolledBack: tellTrouble },
    home: () => home,
    clock,
    wayChanged: (siteId, mutualTls) => tell({ kind: "way", siteId, mutualTls }),
    defect: tellTrouble,
  });
  return {
    service,
    federation: () => home,
    state: () => machineOf().state(),
    status: (roundsAfter = 0, study) =>
      statusOf({
        federation: home,
        nowMs: clock.nowMs(),
        state: stateWith(study),
        contacts,
        serving,
        trouble,
        roundsAfter,
      }),
    async invite({ siteId, validHours = LIMITS.invitationValidHours }) {
      checkSiteId(siteId);
      const nowMs = clock.nowMs();
      const expiresMs = nowMs + validityMs(validHours);
      const invitationId = randomBytes(16).toString("hex");
      const secret = await secrets.create(invitationId, expiresMs, nowMs);
      await take({ kind: "site-invited", invitationId, siteId, expiresMs, atMs: nowMs });
      const { name, address } = home;
      const caFingerprint = certificateFingerprint(serverAuthority(home, nowMs).certificatePem);
      const facts = { federation: name, address, caFingerprint, invitationId, siteId, secret, expiresMs };
      return { siteId, expiresMs, text: formatInvitation(facts) };
    },
    submitStudy: async (study) => submitPrepared(await storeStudyObjects(study, store)),
    submitPrepared,
    stopStudy: (reason) => take({ kind: "study-stopped", reason, atMs: clock.nowMs() }),
    changeStudy: (change) => take({ ...change, atMs: clock.nowMs() }),
    revokeSite: (siteId, reason) => take({ kind: "site-revoked", siteId, reason, atMs: clock.nowMs() }),
    async rotateAuthority(overlapDays = LIMITS.authorityOverlapDays) {
      checkOverlap(overlapDays);
      const { folder, passphrase, id: fromSha256 } = home;
      const nowMs = clock.nowMs();
      const authorities = await makeSuccessor(home, { folder, overlapDays, passphrase, nowMs });
      const toSha256 = certificateFingerprint(authorities.authority.certificatePem);
      const endsMs = authorities.previous?.succession.endsMs ?? nowMs;
      home = { ...home, ...authorities, id: toSha256 };
      await take({ kind: "authority-rotated", fromSha256, toSha256, endsMs, atMs: nowMs });
      for (const listener of identityListeners) listener();
      return { fromSha256, toSha256, endsMs };
    },
    onNews(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    result: (study) => resultOf(stateWith(study), store),
    waitForStudyEnd: (signal) =>
      new Promise((resolve, reject) => {
        const check = (): void => {
          const result = resultOf(machineOf().state(), store);
          if (result === undefined) return;
          listeners.delete(check);
          signal?.removeEventListener("abort", stop);
          resolve(result);
        };
        const stop = (): void => {
          listeners.delete(check);
          reject(signal?.reason as Error);
        };
        listeners.add(check);
        signal?.addEventListener("abort", stop, { once: true });
        check();
        if (signal?.aborted) stop();
      }),
    objectPath: (sha256) => store.pathOf(sha256),
    journal,
    tick: () => duties.tick(),
    async close() {
      await duties.stop();
      await service.idle();
      await machineOf().idle();
      journal.close();
      lock.release();
    },
    serving: {
      home: () => home,
      async refresh() {
        home = await renewServerCertificate(home, clock.nowMs());
        return home;
      },
      onIdentity(listener) {
        identityListeners.add(listener);
        return () => identityListeners.delete(listener);
      },
      clock,
      async begin(boundAddress) {
        home = await keepBoundAddress(home, boundAddress);
        serving = true;
      },
      end() {
        serving = false;
      },
    },
  };
}

function checkOverlap(days: number): void {
  if (days > 0 && days <= LIMITS.authorityOverlapMaxDays) return;
  throw new ConsiliumError("usage", {
    subject: "rotation of the authority",
    expected: `an overlap of up to ${LIMITS.authorityOverlapMaxDays} days`,
    actual: `${days} days`,
    hint: "Sites that are not heard in that time have to join anew.",
  });
}

function validityMs(hours: number): number {
  if (hours > 0 && hours <= LONGEST_INVITATION_HOURS) return Math.ceil(hours * 3_600_000);
  throw new ConsiliumError("usage", {
    subject: "invitation",
    expected: `a validity of up to ${LONGEST_INVITATION_HOURS} hours`,
    actual: `${hours} hours`,
    hint: "An invitation admits whoever holds it: keep its time short.",
  });
}

function accepted(verdict: Verdict): void {
  if (verdict.outcome !== "accepted") throw verdict.error;
}

function submittedStudy({ study, invitations, sites }: CoordinatorState, hash: Sha256): SubmittedStudy {
  invariant(study?.hash === hash, "the study that was submitted");
  const open = Object.values(invitations).filter(({ siteId }) => !(siteId in sites));
  return {
    hash,
    name: study.study.name,
    roster: study.roster.map(({ siteId }) => siteId),
    notJoined: [...new Set(open.map(({ siteId }) => siteId))].sort(),
  };
}

function resultOf({ phase, study: record }: CoordinatorState, store: ObjectStore): StudyResult | undefined {
  if (record === null) return undefined;
  const placed = (object: ObjectRef) => ({ ...object, path: store.pathOf(object.sha256) });
  const { study, network } = record;
  const bestOfRegions = Object.entries(bestByRegion(record)).map(
    ([region, { round, model }]) => [region, { ...placed(model), round }] as const,
  );
  const ran = {
    study,
    network: network === undefined ? null : placed(network),
    bestByRegion: Object.fromEntries(bestOfRegions),
  };
  if (phase.kind === "failed") {
    const best = bestOf(record);
    return {
      ...ran,
      end: phase,
      finalModel: null,
      bestModel: best ? { ...placed(best.model), round: best.round } : null,
    };
  }
  if (phase.kind !== "done") return undefined;
  return {
    ...ran,
    end: phase,
    finalModel: { ...placed(phase.final), round: phase.finalRound },
    bestModel: { ...placed(phase.best), round: phase.bestRound },
  };
}
