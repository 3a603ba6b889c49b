/** A federation's status with a long history, as the coordinator would tell it: made up, for measuring the dashboard. */
import type { CoordinatorStatus, MatrixStatus } from "../../src/coordinator/index.ts";

const REGIONS = ["WT", "TC", "ET"];
const MINUTE_MS = 60_000;

/** @param rounds rounds that are closed */
export function longHistory(sites: number, rounds: number, nowMs: number): CoordinatorStatus {
  const ids = Array.from({ length: sites }, (_, i) => `site-${String(i + 1).padStart(2, "0")}`);
  const digest = (n: number): string => n.toString(16).padStart(64, "0");
  const begunMs = nowMs - rounds * 10 * MINUTE_MS;
  const figures = (round: number, site: number) => {
    // A Dice is from 0 to 1, its regions' and intervals' ends too.
    const dice = 0.16 + 0.74 * (1 - Math.exp(-round / 60)) + 0.02 * Math.sin(round * 0.7 + site);
    const regions = Object.fromEntries(
      REGIONS.map((name, i) => [
        name,
        {
          dice: dice - 0.05 * i,
          hd95: 8 + i,
          diceInterval: [dice - 0.05 * i - 0.04, dice - 0.05 * i + 0.04] as const,
          hd95Interval: null,
        },
      ]),
    );
    return { mean: dice - 0.05, cases: 12, regions };
  };
  return {
    federation: {
      name: "A long study",
      id: digest(1),
      address: "127.0.0.1:7443",
      authority: { keySealed: true, notAfterMs: nowMs + 1e10, rotation: null },
    },
    serving: true,
    sites: ids.map((id, i) => ({
      id,
      productVersion: "0.1.0",
      enrolledMs: begunMs,
      certificateExpiresMs: nowMs + 1e9,
      revoked: null,
      lastContactMs: nowMs - i * 1000,
      clockOffsetMs: 20 * i,
      mutualTls: true,
      activity: "training",
      stepsDone: 20 + i,
      stepsTotal: 60,
      cases: { training: 60, validation: 12 },
      approved: true,
    })),
    invitations: [],
    study: {
      name: "Glioma outlines",
      hash: digest(2),
      phase: "collecting",
      round: rounds + 1,
      roundsInAll: rounds + 100,
      deadlineMs: nowMs + 10 * MINUTE_MS,
      roster: ids,
      decisions: Object.fromEntries(ids.map((id) => [id, { approved: true, reason: "" }])),
      came: ids.slice(0, 3),
      drawn: null,
      failures: {},
      rounds: Array.from({ length: rounds }, (_, i) => ({
        round: i + 1,
        seconds: 420,
        startedMs: begunMs + i * 10 * MINUTE_MS,
        aggregatedMs: begunMs + (i * 10 + 6) * MINUTE_MS,
        evaluatedMs: begunMs + (i * 10 + 7) * MINUTE_MS,
        modelSha256: digest(1000 + i),
        sites: ids.map((id, site) => ({
          id,
          share: 1 / sites,
          shareOfAll: 1 / sites,
          trainingCases: 60,
          gradientSteps: 60,
          stepsAsked: null,
          local: null,
          meanLoss: Math.exp(-i / 80),
          clippedCoordinates: 0,
          cameMs: begunMs + (i * 10 + 5) * MINUTE_MS,
          updateBytes: 4_500_000,
          dice: figures(i + 1, site),
        })),
        leftOut: [],
        dice: figures(i + 1, 0.5),
        trained: {
          sites,
          trainingCases: 60 * sites,
          gradientSteps: 60 * sites,
          meanLoss: Math.exp(-i / 80),
          clippedCoordinates: 0,
        },
        outOfSample: null,
      })),
      failedRounds: [],
      best: { round: rounds, meanDice: 0.85, sha256: digest(3) },
      bestByRegion: {},
      evaluateOnly: [],
      end: null,
      rules: { deadlineS: 3600, quorum: "all", rounds: rounds + 100 },
      paused: null,
      changes: [],
      statistics: null,
      matrices: [matrixOf(ids, Math.ceil(rounds / 2), nowMs)],
      matrixUnderway: null,
      off: [],
    },
    past: [],
    trouble: null,
  };
}

/** The last site told nothing. */
function matrixOf(ids: readonly string[], round: number, nowMs: number): MatrixStatus {
  const silent = ids.at(-1) ?? "";
  const cell = (of: number, by: number) => {
    const dice = 0.6 + (of === by ? 0.25 : 0.1 * Math.sin(3 * of + by));
    return { cases: 12, mean: dice, regions: Object.fromEntries(REGIONS.map((name) => [name, { dice, hd95: 8 }])) };
  };
  const row = (of: string | null, i: number) => ({
    of,
    cells: ids.map((siteId, by) => (siteId === silent ? null : cell(i, by))),
  });
  const missing = [{ siteId: silent, models: [...ids], reason: "no figures before the deadline" }];
  return { round, closedMs: nowMs, sites: ids, rows: [row(null, -1), ...ids.map(row)], missing };
}
