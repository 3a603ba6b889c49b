/** The examination beside a real coordinator over TLS: what it finds good, and each thing that it must find wrong. */
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { systemClock } from "../../base/index.ts";
import {
  type Coordinator,
  type CoordinatorServer,
  initCoordinator,
  openCoordinator,
  startServer,
} from "../../coordinator/index.ts";
import { parseStudy, type Study } from "../../study/index.ts";
import { openSite, readSite } from "../home.ts";
import { joinFederation } from "../join-federation.ts";
import { readSiteLog } from "../site-status.ts";
import { madeUpCases, registerMadeUp, temporaryFolder } from "../testing/test-site.ts";
import { type Examination, type ExamineOptions, examineSite } from "./examine-site.ts";

let root: string;
let coordinator: Coordinator;
let server: CoordinatorServer | undefined;
let home: string;
let invitationFile: string;

function study(deadlineS: number, threads = 1): Study {
  return parseStudy({
    schema: "consilium.study/1",
    name: "Small",
    task: { spacingMm: 4 },
    network: { kind: "unet3d", levels: 2, baseFeatures: 4 },
    training: {
      optimiser: { kind: "sgd", learningRate: 0.01 },
      patch: [16, 16, 16],
      stepsPerRound: 5,
      threads,
    },
    rounds: { count: 1, deadlineS },
  });
}

beforeEach(async () => {
  root = await temporaryFolder();
  const coordinatorHome = join(root, "coordinator");
  const nowMs = systemClock.nowMs();
  await initCoordinator({ home: coordinatorHome, name: "Examined", listen: "127.0.0.1:0", nowMs });
  coordinator = await openCoordinator({ home: coordinatorHome });
  server = await startServer(coordinator);
  home = join(root, "upenn");
  invitationFile = join(root, "invitation");
  await writeFile(invitationFile, (await coordinator.invite({ siteId: "upenn" })).text);
});
afterEach(async () => {
  await server?.close();
  await coordinator.close();
  await rm(root, { recursive: true, force: true });
});

function examine(options: Partial<ExamineOptions>): Promise<Examination> {
  const { signal } = new AbortController();
  return examineSite({ steps: 1, seconds: 0.05, environment: {}, signal, ...options });
}

async function joined(): Promise<void> {
  await joinFederation({ home, invitationFile, productVersion: "test" });
  await registerMadeUp(await readSite(home), madeUpCases("upenn", 10));
}

const outcomes = ({ findings }: Examination): Record<string, string> =>
  Object.fromEntries(findings.map(({ check, outcome }) => [check, outcome]));

test("a site that fits is told so, with every figure, and its log says what the test sent", async () => {
  await joined();
  const examination = await examine({ home, study: { study: study(3600), modelBytes: undefined } });
  expect(outcomes(examination)).toEqual({
    name: "good",
    route: "good",
    tls: "good",
    clock: "good",
    membership: "good",
    download: "good",
    upload: "good",
    data: "good",
    step: "good",
    memory: "good",
    disk: "good",
    round: "good",
  });
  expect(examination).toMatchObject({ fits: true, study: "Small" });
  const figures = Object.assign({}, ...examination.findings.map(({ figures: each }) => each));
  expect(figures).toMatchObject({ training: 8, validation: 2, steps: 5, threads: 1, deadlineS: 3600 });
  expect(figures.secondsPerStep).toBeGreaterThan(0);
  expect(figures.trainingS).toBeCloseTo(5 * figures.secondsPerStep, 6);
  expect((await readSiteLog(home)).map(({ what }) => what)).toEqual(["certificate request", "connection test"]);
});

test("a round that does not fit into its deadline is told, and how long it takes", async () => {
  await joined();
  const examination = await examine({ home, study: { study: study(1), modelBytes: undefined } });
  const long = await examine({
    home,
    study: {
      study: { ...study(1), training: { ...study(1).training, stepsPerRound: 1_000_000 } },
      modelBytes: undefined,
    },
  });
  expect(examination.findings.find(({ check }) => check === "round")?.figures).toMatchObject({ deadlineS: 1 });
  expect(outcomes(long).round).toBe("failed");
  expect(long.fits).toBe(false);
});

test("a home at work is looked at all the same, without an upload", async () => {
  await joined();
  const site = await openSite(home);
  expect(outcomes(await examine({ home }))).toMatchObject({ membership: "good", upload: "skipped" });
  await site.close();
});

test("a revoked site is told, in the coordinator's words", async () => {
  await joined();
  await coordinator.revokeSite("upenn", "its key was copied");
  const { findings } = await examine({ home });
  const membership = findings.find(({ check }) => check === "membership");
  expect(membership).toMatchObject({ outcome: "failed", code: "site-revoked" });
  expect(membership?.words).toContain("its key was copied");
});

test("where nobody listens, the rest is not looked at", async () => {
  await joined();
  await server?.close();
  server = undefined;
  const examination = await examine({ home });
  expect(outcomes(examination)).toMatchObject({ name: "good", route: "failed", tls: "skipped", upload: "skipped" });
  expect(examination.fits).toBe(false);
});

test("a name that nobody knows and a proxy that is away are told apart", async () => {
  await joined();
  const environment = { HTTPS_PROXY: "http://127.0.0.1:1" };
  const { findings } = await examine({ home, environment });
  expect(findings.find(({ check }) => check === "route")?.words).toContain("proxy 127.0.0.1:1");
  const nowhere = await examine({ home, environment: { HTTPS_PROXY: "http://nobody.invalid:3128" } });
  expect(outcomes(nowhere)).toMatchObject({ name: "failed", route: "skipped" });
});

test("before joining the invitation is enough to look at the way, and another authority is found", async () => {
  expect(outcomes(await examine({ invitationFile }))).toMatchObject({ tls: "good", membership: "skipped" });
  const invitation = JSON.parse((await coordinator.invite({ siteId: "tum" })).text);
  await writeFile(invitationFile, JSON.stringify({ ...invitation, caFingerprint: "0".repeat(64) }));
  const { findings } = await examine({ invitationFile });
  expect(findings.find(({ check }) => check === "tls")).toMatchObject({ code: "certificate-untrusted" });
});
