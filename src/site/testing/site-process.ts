/** argv: home, milliseconds for each step. Runs a joined site to the end of its study. */
import { openSite } from "../home.ts";
import { dialCoordinator } from "../review-studies.ts";
import { QUICK, runTestSite } from "./test-site.ts";
import { tinyWork } from "./tiny-work.ts";

const [home, stepMs] = process.argv.slice(2);
const openWork = tinyWork({ onStep: () => new Promise((resolve) => setTimeout(resolve, Number(stepMs))) });
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
