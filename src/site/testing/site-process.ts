/** argv: home, milliseconds for each step. Runs a joined site to the end of its study. */
import { readSite } from "../home.ts";
import { startSite } from "../start-site.ts";
import { approve, QUICK } from "./test-site.ts";
import { tinyWork } from "./tiny-work.ts";

const [home, stepMs] = process.argv.slice(2);
const openWork = tinyWork({ onStep: () => new Promise((resolve) => setTimeout(resolve, Number(stepMs))) });
const outcome = await startSite({
  home,
  openWork,
  productVersion: "test",
  timing: { ...QUICK, backoffMaxMs: 100 },
  onEvent: async (event) => {
    if (event.kind === "review") await approve(await readSite(home), event.studyHash);
    const { kind, round, done, activity } = event as Partial<Record<string, unknown>>;
    process.stdout.write(`${JSON.stringify({ kind, round, done, activity })}\n`);
  },
});
process.stdout.write(`${JSON.stringify({ ...outcome, kind: `ended ${outcome.kind}` })}\n`);
