/** The long work of consoles, each kind with its limits and with what a browser is told of it. */
import { LIMITS } from "../base/index.ts";
import type { Replay, ReplayedRound } from "../coordinator/index.ts";
import type { LabelConvention, Modality } from "../imaging/index.ts";
import type { Examination } from "../site/index.ts";
import { type LongWork, longWork, type Work, type WorkView } from "./long-work.ts";

export type DoctorView = WorkView<Examination>;
export type SiteDoctor = LongWork<Examination>;

/** Examines the site, as `consilium site doctor` does. */
export function siteDoctor(examine: Work<Examination>): SiteDoctor {
  const about = { name: "doctor", command: "consilium site doctor --home HOME", atMostMs: LIMITS.consoleDoctorMs };
  return longWork(about, examine);
}

/** What a replay came to: how many rounds of each outcome, and those that a reader looks at first. */
export interface ReplayTold {
  readonly records: number;
  readonly total: number;
  readonly equal: number;
  readonly different: number;
  readonly unchecked: number;
  /** At most LIMITS.consoleReplayRounds: those that differ, then the latest. */
  readonly rounds: readonly ReplayedRound[];
}

export type ReplayView = WorkView<ReplayTold>;
export type ReplayWork = LongWork<ReplayTold>;

/** Sums every round again whose objects are kept, as `consilium replay` does. */
export function replayWork(replay: Work<Replay>): ReplayWork {
  const about = { name: "replay", command: "consilium replay --home HOME", atMostMs: LIMITS.consoleLongWorkMs };
  return longWork(about, async (signal, tell) => replayTold(await replay(signal, tell)));
}

export function replayTold({ records, rounds }: Replay): ReplayTold {
  const count = (outcome: ReplayedRound["outcome"]): number =>
    rounds.filter((round) => round.outcome === outcome).length;
  const latest = rounds.toReversed();
  const [different, others] = [
    latest.filter(({ outcome }) => outcome === "different"),
    latest.filter(({ outcome }) => outcome !== "different"),
  ];
  return {
    records,
    total: rounds.length,
    equal: count("equal"),
    different: count("different"),
    unchecked: count("unchecked"),
    rounds: [...different, ...others].slice(0, LIMITS.consoleReplayRounds),
  };
}

/** What is asked of a registration; the folder is one that the console offers. */
export interface RegisterOrder {
  readonly dataset: string;
  /** How labels are written; null where file names tell. */
  readonly labels: LabelConvention | null;
  readonly mayMiss: readonly Modality[];
  readonly excludeBroken: boolean;
  readonly counts: "as before" | "private" | "told";
}

/** Counts alone: what is wrong with which case stands in the dataset's own view. */
export interface Registered {
  readonly training: number;
  readonly validation: number;
  readonly added: number;
  readonly gone: number;
  readonly excluded: number;
  readonly outliers: number;
  readonly privateCounts: boolean;
}

export type RegistrationView = WorkView<Registered>;
export type RegistrationWork = LongWork<Registered, RegisterOrder>;

/** Checks a dataset and registers it, as `consilium site data` does. */
export function registrationWork(register: Work<Registered, RegisterOrder>): RegistrationWork {
  const command = "consilium site data --home HOME --dataset DIR";
  return longWork({ name: "registration", command, atMostMs: LIMITS.consoleLongWorkMs }, register);
}
