/**
 * A coordinator's process dies (SIGKILL) at every step of masked rounds, above all between the opening of the masks and
 * the sum: started again it ends in the exact sum, from the same masked updates. Set back to before the opening, it
 * gets no second sum of the round: every site refuses.
 */
import { cp, rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { ConsiliumError, type ErrorCode } from "../base/index.ts";
import type { Site } from "./home.ts";
import { readMaskingDocument } from "./masking-document.ts";
import { dialCoordinator } from "./review-studies.ts";
import type { RunOutcome } from "./run-site.ts";
import { type StoppedFederation, stoppedFederation } from "./testing/federation-suite.ts";
import { openProcesses, type Processes, type TestProcess } from "./testing/processes.ts";
import { QUICK, runTestSite, temporaryFolder, tinyStudy } from "./testing/test-site.ts";

const MOMENTS = [
  "1 agreeing keys 2",
  "1 agreeing shares 0",
  "1 collecting updates 2",
  "1 unmasking signatures 0",
  "2 unmasking signatures 2",
  "2 unmasking reveals 0",
  "2 unmasking reveals 2",
  "2 aggregating",
  "2 summed",
  "3 aggregating",
  "3 summed",
] as const;
const LAST_ROUND = 3;
const AGGREGATION = { algorithm: "fedavg", weightBy: "cases", precisionBits: 24 };
const MASKED = { secureAggregation: { threshold: 2 } };

let root: string;
let processes: Processes;
let running: TestProcess | undefined;
beforeAll(async () => {
  root = await temporaryFolder();
  processes = await openProcesses();
});
afterAll(async () => {
  await processes.close();
  await rm(root, { recursive: true, force: true });
});

function prepare(name: string, privacy: object): Promise<StoppedFederation> {
  return stoppedFederation(
    join(root, name),
    tinyStudy({ rounds: { count: LAST_ROUND }, aggregation: AGGREGATION, privacy }),
  );
}

async function start(home: string, ...moment: string[]): Promise<TestProcess> {
  running = processes.start("run-coordinator", home, ...moment);
  return running;
}

/** Every masked update that left, by "round site". */
type Sent = Map<string, Set<string>>;

/** Runs every site to the end of the study; who stops on an error says its code. */
function runSites({ sites, studyHash }: StoppedFederation, sent: Sent): Promise<(RunOutcome | ErrorCode)[]> {
  const run = async (site: Site): Promise<RunOutcome | ErrorCode> => {
    const link = dialCoordinator(site);
    try {
      return await runTestSite({
        site,
        link,
        timing: { ...QUICK, pauseMs: 20, backoffMaxMs: 100 },
        onEvent: async (event) => {
          if (event.kind !== "update-sent") return;
          const document = await readMaskingDocument(site.store, studyHash);
          const name = `${document?.round} ${site.siteId}`;
          sent.set(name, new Set([...(sent.get(name) ?? []), document?.masked?.sha256 ?? ""]));
        },
      });
    } catch (error) {
      if (!(error instanceof ConsiliumError)) throw error;
      return error.code;
    } finally {
      await link.close();
    }
  };
  return Promise.all(sites.map(run));
}

const finalOf = (outcomes: readonly (RunOutcome | ErrorCode)[]): string[] =>
  outcomes.map((outcome) =>
    typeof outcome === "object" && outcome.kind === "done" ? outcome.finalSha256 : JSON.stringify(outcome),
  );

it("ends in the plain round's model, with one masked update a site and round, wherever its coordinator dies", async () => {
  const calm = await prepare("calm", {});
  await start(calm.home);
  const [plain, ...others] = finalOf(await runSites(calm, new Map()));
  expect(new Set([plain, ...others])).toEqual(new Set([expect.stringMatching(/^[0-9a-f]{64}$/)]));
  await running?.kill();

  const stormy = await prepare("stormy", MASKED);
  const sent: Sent = new Map();
  const ending = runSites(stormy, sent);
  for (const moment of MOMENTS) {
    // SIGKILL has no exit code; anything else would be a coordinator that ended by itself.
    const ended = await (await start(stormy.home, moment)).ended;
    expect([moment, ended]).toEqual([moment, null]);
  }
  await start(stormy.home);
  expect(new Set(finalOf(await ending))).toEqual(new Set([plain]));
  expect([...sent.keys()].sort()).toEqual(
    [1, 2, 3].flatMap((round) => ["a", "b", "c"].map((site) => `${round} ${site}`)),
  );
  for (const digests of sent.values()) expect(digests.size).toBe(1);
  await running?.kill();
});

it("gives no second sum of a round to a coordinator that is set back to before the masks were opened", async () => {
  const prepared = await prepare("set-back", MASKED);
  const { home, sites, studyHash } = prepared;
  const ending = runSites(prepared, new Map());
  await (await start(home, "1 collecting updates 2")).ended;
  await cp(home, `${home}-before`, { recursive: true });
  await (await start(home, "1 aggregating")).ended;
  const revealed = await Promise.all(sites.map(({ store }) => readMaskingDocument(store, studyHash)));
  for (const document of revealed) expect(document?.answers).toHaveProperty("reveal");
  await rm(home, { recursive: true });
  await cp(`${home}-before`, home, { recursive: true });
  await start(home);
  expect(await ending).toEqual(["journal-rolled-back", "journal-rolled-back", "journal-rolled-back"]);
  const after = await Promise.all(sites.map(({ store }) => readMaskingDocument(store, studyHash)));
  expect(after).toEqual(revealed);
  await running?.kill();
});
