/**
 * argv: home, milliseconds for each step, and a file with the last round that may be trained for now; every round may
 * without one. Runs a joined site to the end of its study.
 */
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { openSite } from "../home.ts";
import { dialCoordinator } from "../review-studies.ts";
import { QUICK, runTestSite } from "./test-site.ts";
import { tinyWork } from "./tiny-work.ts";

const LOOK_MS = 20;

const [home, stepMs, lastRoundFile] = process.argv.slice(2);
const isHeld = (round: number): boolean =>
  lastRoundFile !== undefined && round > Number(readFileSync(lastRoundFile, "utf8"));
const openWork = tinyWork({
  async onStep(where, round) {
    while (where === "train" && isHeld(round)) await sleep(LOOK_MS);
    await sleep(Number(stepMs));
  },
});
const site = await openSite(home);
const link = dialCoordinator(site);
const outcome = await runTestSite({
  site,
  link,
  openWork,
  timing: { ...QUICK, backoffMaxMs: 100 },
  onEvent: (event) => {
    const { kind, round, done, activity } = event as Partial<Record<string, unknown>>;
    process.stdout.write(`${JSON.stringify({ kind, round, done, activity })}\n`);
  },
});
process.stdout.write(`${JSON.stringify({ ...outcome, kind: `ended ${outcome.kind}` })}\n`);
await link.close();
await site.close();
