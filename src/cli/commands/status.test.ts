import { expect, test } from "vitest";
import type { CoordinatorStatus } from "../../coordinator/index.ts";
import { describeStatus } from "./status.ts";

const NOW = Date.UTC(2026, 0, 1, 12);
const noInterval = { diceInterval: null, hd95Interval: null };
const sha = (digit: string): string => digit.repeat(64);

const STATUS: CoordinatorStatus = {
  federation: {
    name: "Test",
    id: sha("a"),
    address: "127.0.0.1:7443",
    authority: { keySealed: true, notAfterMs: NOW + 1, rotation: null },
  },
  serving: true,
  sites: [
    {
      id: "upenn",
      productVersion: "0.1.0",
      enrolledMs: NOW - 40 * 86_400_000,
      certificateExpiresMs: NOW + 1,
      revoked: null,
      lastContactMs: NOW - 3000,
      clockOffsetMs: 0,
      mutualTls: true,
      activity: "training",
      stepsDone: 3,
      stepsTotal: 12,
      cases: { training: 40, validation: 10 },
      approved: true,
    },
    {
      id: "ucsf",
      productVersion: "0.1.0",
      enrolledMs: NOW - 40 * 86_400_000,
      certificateExpiresMs: NOW + 1,
      revoked: null,
      lastContactMs: null,
      clockOffsetMs: null,
      mutualTls: null,
      activity: null,
      stepsDone: null,
      stepsTotal: null,
      cases: null,
      approved: null,
    },
  ],
  invitations: [
    { siteId: "upenn", expiresMs: NOW + 1, used: true },
    { siteId: "late", expiresMs: NOW - 1, used: false },
    { siteId: "mayo", expiresMs: NOW + 1, used: false },
  ],
  study: {
    name: "First study",
    hash: sha("b"),
    phase: "collecting",
    round: 2,
    roundsInAll: 5,
    deadlineMs: NOW + 1,
    roster: ["ucsf", "upenn"],
    decisions: {},
    came: [],
    drawn: null,
    failures: { ucsf: { times: 2, code: "out-of-memory", hint: "Take a smaller patch." } },
    failedRounds: [
      { round: 2, startedMs: 0, atMs: 1, code: "masking-below-threshold", reason: "1 of 2 sites answered", unused: [] },
    ],
    rounds: [
      {
        round: 1,
        seconds: 75,
        startedMs: NOW - 75_000,
        aggregatedMs: NOW,
        evaluatedMs: null,
        modelSha256: sha("c"),
        sites: [
          {
            id: "ucsf",
            share: 0.25,
            shareOfAll: 0.2,
            trainingCases: 10,
            gradientSteps: 5,
            stepsAsked: 10,
            meanLoss: 2,
            clippedCoordinates: 0,
            cameMs: NOW,
            updateBytes: 4,
            dice: null,
            local: null,
          },
          {
            id: "upenn",
            share: 0.75,
            shareOfAll: 0.6,
            trainingCases: 30,
            gradientSteps: 15,
            stepsAsked: null,
            meanLoss: 1,
            clippedCoordinates: 0,
            cameMs: NOW,
            updateBytes: 4,
            dice: { mean: 0.625, cases: 10, regions: {} },
            local: {
              before: { mean: 0.25, cases: 10, regions: {} },
              after: { mean: 0.75, cases: 10, regions: {} },
            },
          },
        ],
        leftOut: [{ siteId: "mayo", reason: "no update before the deadline", shareLost: 0.2 }],
        trained: { sites: 2, trainingCases: 50, gradientSteps: 20, meanLoss: 1.25, clippedCoordinates: 0 },
        outOfSample: {
          sites: { rio: { mean: 0.4, cases: 3, regions: {} } },
          dice: { mean: 0.4, cases: 3, regions: {} },
        },
        dice: {
          mean: 0.5,
          cases: 10,
          regions: { WT: { ...noInterval, dice: 0.75, hd95: 4 }, ET: { ...noInterval, dice: null, hd95: null } },
        },
      },
    ],
    best: { round: 1, meanDice: 0.5, sha256: sha("c") },
    bestByRegion: {
      WT: { round: 1, dice: 0.75, sha256: sha("c") },
      ET: { round: 2, dice: 0.25, sha256: sha("d") },
    },
    evaluateOnly: ["rio"],
    end: null,
    rules: { deadlineS: 100, quorum: 2, rounds: 5 },
    paused: null,
    changes: [{ number: 1, kind: "changed", reason: "enough", atMs: NOW - 60_000, rounds: 5 }],
    statistics: null,
    matrices: [],
    matrixUnderway: null,
    off: [],
  },
  past: [],
  trouble: null,
};

test("a running study: sites, rounds with the weighted loss, failures, and who is still invited", () => {
  expect(describeStatus(STATUS, NOW).split("\n")).toEqual([
    '"Test" at 127.0.0.1:7443, running',
    "",
    "Site   Training  Validation  Study     Doing             Heard    Version  Key   Clock",
    expect.stringMatching(/^─+$/),
    "upenn        40          10  approved  training 3 of 12  3 s ago    0.1.0  40 d  right",
    "ucsf          –           –  –         –                 never      0.1.0  40 d  –",
    "",
    "Invited, not joined yet: mayo",
    "",
    'Study "First study" (bbbbbbbbbbbb): collecting, round 2 of 5',
    "2026-01-01 11:59 changed, 5 rounds: enough",
    "ucsf failed 2 times: out-of-memory. Take a smaller patch.",
    "",
    "Round  Sites   Loss  Dice WT  Dice ET   Mean  Time",
    expect.stringMatching(/^─+$/),
    "    1      2  1.250    0.750        –  0.500  1 min 15 s",
    "",
    "Out of sample, round 1: mean Dice 0.400 (rio 0.400)",
    "Round 1 at each site, on its validation cases:",
    "Site   Dice before  its own model  all together",
    expect.stringMatching(/^─+$/),
    "upenn        0.250          0.750         0.625",
    "",
    "Round 1: partial work, weights divided by its share: ucsf 5 of 10 steps",
    "Round 1 without mayo: no update before the deadline (20.0 % of all cases); the others' weights: ucsf 20.0 to 25.0 %, upenn 60.0 to 75.0 %",
    "Round 2 failed: 1 of 2 sites answered",
    "",
    "Best so far: round 1, mean Dice 0.500, model cccccccccccc",
    "By region: WT round 1 (0.750), ET round 2 (0.250)",
  ]);
});

test("sites that come through a proxy that ends TLS are named", () => {
  const sites = STATUS.sites.map((site) => ({ ...site, mutualTls: site.id !== "ucsf" }));
  const off = "Mutual TLS is off (sealed calls through a proxy that ends TLS): ucsf";
  expect(describeStatus({ ...STATUS, sites }, NOW).split("\n")).toContain(off);
  expect(describeStatus(STATUS, NOW)).not.toContain("Mutual TLS");
});

test("a federation that has nothing yet", () => {
  const text = describeStatus({ ...STATUS, serving: false, sites: [], invitations: [], study: null }, NOW);
  expect(text).toBe('"Test" at 127.0.0.1:7443, not running\n\nNo site has joined yet.\n\nNo study yet.');
});
