/**
 * How much control a coordinator takes: pure steps of its state machine, and whole site-rounds.
 *
 *   npx tsx bench/control-rates.ts [--sites 29] [--rounds 500] [--steps 200000] [--json]
 *
 *   pure steps    events through `step`, in memory, and what the state they lead to takes on the heap (--expose-gc)
 *   site-rounds   a federation of so many sites over the link in memory, each with its own key: in every round a site
 *                 asks, announces its update, asks again and sends figures; each message is signed and verified, each
 *                 answer too; each number and each event is on disk before its message is answered; each round is
 *                 summed and its model stored. The models have ten parameters, and a site's update is the same in every
 *                 round, so that nothing is moved but messages (objects: bench/transfer.ts). Sites and coordinator
 *                 share this process: the second figure leaves out the time in which sites sign and verify
 *   memory        resident set and heap after a tenth, three fifths and all of the rounds, garbage collected where node
 *                 has --expose-gc
 */
import { parseArgs } from "node:util";
import { type Coordinator, type CoordinatorEvent, roundCount } from "../src/coordinator/index.ts";
import { INITIAL_STATE } from "../src/coordinator/state.ts";
import { step } from "../src/coordinator/step.ts";
import {
  act,
  announcement,
  evaluationOf,
  type FakeSite,
  makeUpdate,
  poll,
  type Said,
  say,
} from "../src/coordinator/testing/fake-site.ts";
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
      `state         ${pure.bytesPerSiteRound.toFixed(0)} bytes of heap for each site in each round\n` +
      `site-rounds   ${control.siteRoundsPerSecond.toFixed(0)} a second over ${control.roundsDone} rounds of ${sites} sites\n` +
      `              ${control.siteRoundsPerCoordinatorSecond.toFixed(0)} a second without the time that the sites took to sign and to verify\n` +
      `memory        ${control.memory.map(({ round, ...each }) => `${inWords(each)} after round ${round}`).join(", ")}\n`,
  );
}

function timeSteps() {
  let state = INITIAL_STATE;
  const heapBefore = memoryNow().heapBytes;
  let taken = 0;
  let seconds = 0;
  for (const told of events()) {
    if (taken >= steps) break;
    // As the journal brings them back: no two events share a text.
    const event = JSON.parse(JSON.stringify(told)) as CoordinatorEvent;
    const start = performance.now();
    const next = step(state, event);
    seconds += (performance.now() - start) / 1000;
    if (next.verdict.outcome !== "accepted") throw new Error(`${event.kind} was ${next.verdict.outcome}`);
    state = next.state;
    taken++;
  }
  const siteRounds = roundCount(state.study) * sites;
  const bytesPerSiteRound = (memoryNow().heapBytes - heapBefore) / siteRounds;
  return { steps: taken, stepsPerSecond: taken / seconds, bytesPerSiteRound };
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
  const { coordinator } = federation;
  try {
    await submitSmall(coordinator, smallStudy({ count: rounds, deadlineS: 86_400 }, { retain: "all" }));
    await Promise.all(federation.sites.map(act));
    const updates = new Map<string, SmallUpdate>();
    for (const site of federation.sites) updates.set(site.siteId, await sendUpdate(site, coordinator));
    const clock = withSitesTimed(federation.sites);
    const start = performance.now();
    const looks = [0.1, 0.6, 1].map((part) => Math.ceil(part * rounds));
    const memory: (Memory & { readonly round: number })[] = [];
    for (let round = 1; round <= rounds; round++) {
      await Promise.all(federation.sites.map((site) => trainRound(site, updates.get(site.siteId))));
      await phaseAfter(coordinator, "aggregating");
      await Promise.all(federation.sites.map(evaluateRound));
      if (looks.includes(round)) memory.push({ round, ...memoryNow() });
    }
    const seconds = (performance.now() - start) / 1000;
    const { study, phase } = coordinator.state();
    if (phase.kind !== "done") throw new Error(`the study is ${phase.kind} after ${roundCount(study)} rounds`);
    return {
      roundsDone: roundCount(study),
      journalRecords: coordinator.journal.head().number,
      seconds,
      siteRoundsPerSecond: (rounds * sites) / seconds,
      coordinatorSeconds: seconds - clock.sitesSeconds(),
      siteRoundsPerCoordinatorSecond: (rounds * sites) / (seconds - clock.sitesSeconds()),
      memory,
    };
  } finally {
    await federation.remove();
  }
}

interface SmallUpdate {
  readonly sha256: string;
  readonly bytes: number;
}

async function sendUpdate(site: FakeSite, coordinator: Coordinator): Promise<SmallUpdate> {
  const { phase } = coordinator.state();
  if (phase.kind !== "collecting") throw new Error(`the study is ${phase.kind}`);
  const update = await makeUpdate(site, phase.global.sha256, phase.global.bytes);
  await site.link.sendObject({ sha256: update.sha256, fromFile: update.file });
  return update;
}

async function trainRound(site: FakeSite, update: SmallUpdate | undefined): Promise<void> {
  const { kind } = (await poll(site)).directive;
  if (kind.case !== "train" || update === undefined) throw new Error(`${site.siteId} was told to ${kind.case}`);
  accepted(await say(site, announcement(site, kind.value, update), kind.value));
}

async function evaluateRound(site: FakeSite): Promise<void> {
  const { kind } = (await poll(site)).directive;
  if (kind.case !== "evaluate") throw new Error(`${site.siteId} was told to ${kind.case}`);
  accepted(await say(site, evaluationOf(site, kind.value), kind.value));
  site.sent.length = 0;
}

function accepted({ verdict }: Said): void {
  if (verdict.outcome !== "accepted") throw new Error(`${verdict.code}: expected ${verdict.expected}`);
}

function phaseAfter(coordinator: Coordinator, kind: string): Promise<void> {
  return new Promise((resolve) => {
    const look = (): void => {
      if (coordinator.state().phase.kind === kind) return;
      stop();
      resolve();
    };
    const stop = coordinator.onNews(look);
    look();
  });
}

/** How long the sites' own signing and verifying took, of a process that does both ends' work. */
function withSitesTimed(all: readonly FakeSite[]): { sitesSeconds(): number } {
  let ms = 0;
  for (const site of all) {
    site.timed = (work) => {
      const start = performance.now();
      const done = work();
      ms += performance.now() - start;
      return done;
    };
  }
  return { sitesSeconds: () => ms / 1000 };
}

interface Memory {
  readonly rssBytes: number;
  readonly heapBytes: number;
}

function memoryNow(): Memory {
  globalThis.gc?.();
  const { rss, heapUsed } = process.memoryUsage();
  return { rssBytes: rss, heapBytes: heapUsed };
}

function inWords({ rssBytes, heapBytes }: Memory): string {
  return `${megabytes(rssBytes)} MB (${megabytes(heapBytes)} MB of them objects)`;
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(0);
}
