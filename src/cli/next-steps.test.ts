import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type CoordinatorStatus, initCoordinator } from "../coordinator/index.ts";
import type { SiteStatus } from "../site/index.ts";
import { coordinatorStep, nextSteps, siteStep } from "./next-steps.ts";

let folder = "";
const NOW = Date.UTC(2026, 0, 1);

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "next-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

test("an empty folder leads to the demonstration, or to a home", async () => {
  const [step] = await nextSteps(folder);
  expect(step.commands[0]).toBe("consilium demo");
});

test("an invitation leads to joining", async () => {
  await writeFile(join(folder, "upenn.invitation"), "x");
  const [step] = await nextSteps(folder);
  expect(step.commands).toEqual(["consilium site join --home site --invitation upenn.invitation"]);
});

test("a new coordinator is to be started; a home that is damaged says so", async () => {
  await initCoordinator({ home: join(folder, "a"), name: "Test", listen: "127.0.0.1:7443", nowMs: NOW });
  await initCoordinator({ home: join(folder, "b"), name: "Test", listen: "127.0.0.1:7443", nowMs: NOW });
  await writeFile(join(folder, "b", "authority.pem"), "");
  const [first, second] = await nextSteps(folder);
  expect(first.commands).toEqual([`consilium coordinator start --home ${join(folder, "a")}`]);
  expect(second.state).toContain("home-invalid");
  expect(await nextSteps(join(folder, "a"))).toHaveLength(1);
});

const FEDERATION: CoordinatorStatus = {
  federation: {
    name: "Test",
    id: "a".repeat(64),
    address: "127.0.0.1:7443",
    authority: { keySealed: true, notAfterMs: NOW, rotation: null },
  },
  serving: true,
  sites: [],
  invitations: [],
  study: null,
  past: [],
  trouble: null,
};
const SITE_OF = { id: "upenn" } as CoordinatorStatus["sites"][number];
const STUDY = {
  name: "First",
  phase: "approving",
  round: 0,
  roundsInAll: 3,
  roster: ["tum", "upenn"],
  decisions: { tum: { approved: true, reason: "" } },
  end: null,
} as unknown as NonNullable<CoordinatorStatus["study"]>;

test.each([
  ["nobody invited", {}, "No site has joined", "coordinator invite"],
  [
    "invited",
    { invitations: [{ siteId: "upenn", expiresMs: NOW + 1, used: false }] },
    "Invited, not joined yet: upenn",
    "coordinator invite",
  ],
  ["joined", { sites: [SITE_OF] }, "One site has joined; no study yet.", "study submit"],
  ["offered", { sites: [SITE_OF], study: STUDY }, "waits for the reviewers of upenn.", "status --home h --watch"],
  [
    "training",
    { sites: [SITE_OF], study: { ...STUDY, phase: "collecting", round: 2 } },
    "collecting, round 2 of 3.",
    "--watch",
  ],
  [
    "stopped in a study",
    { serving: false, sites: [SITE_OF], study: { ...STUDY, phase: "collecting" } },
    "It is stopped.",
    "coordinator start",
  ],
  [
    "done, and stopped",
    { serving: false, sites: [SITE_OF], study: { ...STUDY, phase: "done", end: { kind: "done" } } },
    "is done.",
    "model export",
  ],
  [
    "failed",
    { sites: [SITE_OF], study: { ...STUDY, phase: "failed", end: { kind: "failed", reason: "no quorum" } } },
    "failed: no quorum",
    "study submit",
  ],
] as const)("a coordinator: %s", (_, change, state, command) => {
  const step = coordinatorStep("h", { ...FEDERATION, ...(change as Partial<CoordinatorStatus>) }, NOW);
  expect(step.state).toContain(state);
  expect(step.commands[0]).toContain(command);
});

const SITE = {
  siteId: "upenn",
  membership: { federationName: "Test" },
  running: true,
  data: { training: 3, validation: 1, excluded: 0 },
  studies: [],
} as unknown as SiteStatus;
const OFFERED = { studyHash: "b".repeat(64), name: "First", decision: "awaited" } as const;

test.each([
  ["no data", { data: undefined }, "No data", "cohort check"],
  ["a study to decide", { studies: [OFFERED] }, '"First" waits', "site review"],
  ["stopped", { running: false }, "stopped", "site start"],
  ["at work", { studies: [{ ...OFFERED, decision: "approved" }] }, "at work", "site status"],
  [
    "done",
    { running: false, studies: [{ ...OFFERED, decision: "approved", end: { kind: "done" } }] },
    "is done",
    "model export",
  ],
] as const)("a site: %s", (_, change, state, command) => {
  const step = siteStep("h", { ...SITE, ...(change as Partial<SiteStatus>) });
  expect(step.state).toContain(state);
  expect(step.commands[0]).toContain(command);
});
