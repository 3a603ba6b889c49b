/**
 * How much control a coordinator takes: pure steps of its state machine, and whole site-rounds.
 *
 *   npx tsx bench/control-rates.ts [--sites 29] [--rounds 500] [--steps 200000] [--json]
 *
 *   pure steps    events through `step`, in memory
 *   site-rounds   a federation of so many sites over the link in memory, each with its own key: in every round a site
 *                 asks, fetches the model, sends its update, announces it, asks again and sends figures; each message is
 *                 signed and verified, each answer too, and each event and number is a transaction on disk before it is
 *                 answered. Models of ten parameters, so that nothing but control is measured; sites and coordinator
 *                 share this process, so the sites' part is in the figure.
 *   memory        resident set after a tenth of the rounds and after the last, garbage collected where node has
 *                 --expose-gc
 */
import { parseArgs } from "node:util";
import type { CoordinatorEvent } from "../src/coordinator/index.ts";
import { INITIAL_STATE } from "../src/coordinator/state.ts";
import { step } from "../src/coordinator/step.ts";
import { act } from "../src/coordinator/testing/fake-site.ts";
import { newFederation, submitSmall } from "../src/coordinator/testing/federations.ts";
import {
  aggregated,
  approvals,
  evaluation,
  smallStudy,
  submitted,
  update,
} from "../src/coordinator/testing/studies.ts";

const { values } = parseArgs({
  options: {
    sites: { type: "string", default: "29" },
    rounds: { type: "string", default: "500" },
    steps: { type: "string", default: "200000" },
    json: { type: "boolean", default: false },
  },
});
const [sites, rounds, steps] = [values.sites, values.rounds, values.steps].map(Number);
const siteIds = Array.from({ length: sites }, (_, i) => `site-${String(i).padStart(3, "0")}`);

const pure = timeSteps();
const control = await timeSiteRounds();
const report = { sites, rounds, ...pure, ...control };
if (values.json) process.stdout.write(`${JSON.stringify(report)}\n`);
else {
  process.stdout.write(
    `pure steps    ${pure.stepsPerSecond.toFixed(0)} a second over ${pure.steps} events\n` +
      `site-rounds   ${control.siteRoundsPerSecond.toFixed(0)} a second over ${control.roundsDone} rounds of ${sites} sites\n` +
      `memory        ${megabytes(control.earlyRssBytes)} MB after a tenth of the rounds, ${megabytes(control.lateRssBytes)} MB after the last\n`,
  );
}

function timeSteps(): { readonly steps: number; readonly stepsPerSecond: number } {
  let state = INITIAL_STATE;
  let taken = 0;
  let seconds = 0;
  for (const event of events()) {
    if (taken >= steps) break;
    const start = performance.now();
    const next = step(state, event);
    seconds += (performance.now() - start) / 1000;
    if (next.verdict.outcome !== "accepted") throw new Error(`${event.kind} was ${next.verdict.outcome}`);
    state = next.state;
    taken++;
  }
  return { steps: taken, stepsPerSecond: taken / seconds };
}

function* events(): Generator<CoordinatorEvent> {
  const study = smallStudy({ count: 100_000 });
  yield* submitted(siteIds, study);
  yield* approvals(siteIds, study);
  for (let round = 1; ; round++) {
    for (const siteId of siteIds) yield update(siteId, round, study);
    yield aggregated(round, siteIds);
    for (const siteId of siteIds) yield evaluation(siteId, round, study, 0.5);
  }
}

async function timeSiteRounds() {
  const federation = await newFederation(siteIds);
  try {
    await submitSmall(federation.coordinator, smallStudy({ count: rounds, deadlineS: 86_400 }));
    let earlyRssBytes = 0;
    let done = 0;
    const start = performance.now();
    for (;;) {
      await Promise.all(federation.sites.map(act));
      for (const site of federation.sites) site.sent.length = 0;
      const { study, phase } = federation.coordinator.state();
      done = study?.rounds.length ?? done;
      if (earlyRssBytes === 0 && done >= rounds / 10) earlyRssBytes = rssBytes();
      if (phase.kind === "failed") throw new Error(phase.reason);
      if (phase.kind === "done") break;
    }
    const seconds = (performance.now() - start) / 1000;
    return {
      roundsDone: done,
      siteRoundsPerSecond: (done * sites) / seconds,
      earlyRssBytes,
      lateRssBytes: rssBytes(),
    };
  } finally {
    await federation.remove();
  }
}

function rssBytes(): number {
  globalThis.gc?.();
  return process.memoryUsage.rss();
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(0);
}
