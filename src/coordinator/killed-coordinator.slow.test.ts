/**
 * A coordinator's process is killed (SIGKILL) at seeded moments of a study over TLS; the model comes out the same. Moments
 * are counted in orders that sites have carried out, so that no machine is too fast for the kills or too slow.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, expect, test } from "vitest";
import { ConsiliumError, createRandom, systemClock } from "../base/index.ts";
import { connectLink, createSiteKey, enrol, parseInvitation } from "../protocol/index.ts";
import { adminClient, initCoordinator } from "./index.ts";
import { act, type FakeSite } from "./testing/fake-site.ts";
import { newFederation, runToEnd } from "./testing/federations.ts";
import { smallParameters, smallStudy } from "./testing/studies.ts";

const SITES = ["tum", "ucsf", "upenn"];
const KILLS = 50;
const SEED = 11;
/** Between two kills. As many and one more of each other site leave orders over: each round has six. */
const MOST_ORDERS = 20;
const study = smallStudy({ count: 200, deadlineS: 86_400 });
const script = fileURLToPath(new URL("./testing/run-coordinator.ts", import.meta.url));

let folder: string;
let running: ChildProcess | undefined;

afterEach(async () => {
  running?.kill("SIGKILL");
  await rm(folder, { recursive: true, force: true });
});

async function start(home: string): Promise<ChildProcess> {
  const child = spawn(process.execPath, ["--import", "tsx", script, home], { stdio: ["ignore", "pipe", "inherit"] });
  running = child;
  await once(child.stdout, "data");
  return child;
}

async function joinOverTls(home: string, siteId: string): Promise<FakeSite> {
  const { text } = await adminClient(home).invite({ siteId });
  const nowMs = systemClock.nowMs();
  const invitation = parseInvitation(text, "invitation", nowMs);
  const keyPem = createSiteKey();
  const enrolment = await enrol({ invitation, keyPem, productVersion: "0", nowMs });
  const link = connectLink({ address: invitation.address, keyPem, ...enrolment, timeoutMs: 5_000 });
  return { siteId, enrolment, keyPem, link, sequence: 0, sent: [], folder, cases: 3 };
}

/** One act, whatever breaks on the way to the coordinator. */
async function actOrWait(site: FakeSite): Promise<string> {
  try {
    return (await act(site)).told.case ?? "";
  } catch (error) {
    if (!(error instanceof ConsiliumError) || error.code !== "unreachable") throw error;
    await new Promise((resolve) => setTimeout(resolve, 20));
    return "unreachable";
  }
}

test(`a study of ${study.rounds.count} rounds outlives ${KILLS} SIGKILLs of its coordinator (seed ${SEED})`, async () => {
  const undisturbed = await newFederation(SITES);
  await undisturbed.coordinator.submitStudy({ study, initialParameters: smallParameters() });
  await runToEnd(undisturbed);
  const expected = undisturbed.coordinator.result();
  await undisturbed.remove();

  folder = await mkdtemp(join(tmpdir(), "consilium-killed-"));
  const home = join(folder, "home");
  await initCoordinator({ home, name: "Killed", listen: "127.0.0.1:0", nowMs: systemClock.nowMs() });
  let child = await start(home);
  const sites = await Promise.all(SITES.map((siteId) => joinOverTls(home, siteId)));
  await adminClient(home).submitStudy({ study, initialParameters: smallParameters() });

  const random = createRandom("kills", SEED);
  let stopped = false;
  let unreachable = 0;
  let orders = 0;
  let look = (): void => undefined;
  const work = sites.map(async (site) => {
    while (!stopped) {
      const told = await actOrWait(site);
      if (told === "unreachable") unreachable++;
      if (told === "train" || told === "evaluate") orders++;
      look();
      if (told === "done" || told === "failed") return told;
    }
    return "stopped";
  });
  let kills = 0;
  const killing = (async () => {
    while (kills < KILLS) {
      const due = orders + 1 + random.integer(MOST_ORDERS);
      while (orders < due && !stopped) {
        await new Promise<void>((resolve) => {
          look = resolve;
        });
      }
      if (stopped) return;
      child.kill("SIGKILL");
      await once(child, "exit");
      kills++;
      child = await start(home);
    }
  })();
  const told = await Promise.all(work);
  stopped = true;
  look();
  await killing;
  for (const { link } of sites) await link.close();
  expect(told).toEqual(SITES.map(() => "done"));
  const result = await adminClient(home).result();
  expect(result?.finalModel?.sha256).toBe(expected?.finalModel?.sha256);
  expect(result?.bestModel?.sha256).toBe(expected?.bestModel?.sha256);
  // Kills that nobody noticed would prove nothing.
  expect(unreachable).toBeGreaterThan(0);
  expect(kills).toBe(KILLS);
});
