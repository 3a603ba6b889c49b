/**
 * How much control a coordinator takes: pure steps of its state machine, and whole site-rounds.
 *
 *   node --expose-gc --import tsx bench/control-rates.ts [--sites 29] [--rounds 500] [--steps 200000] [--json]
 *
 *   pure steps    events through `step`, in memory, and what the state they lead to takes on the heap (--expose-gc)
 *   site-rounds   a federation of so many sites, each with its own key: in every round a site asks, announces its
 *                 update, asks again and sends figures; each message is signed and verified, each answer too; each
 *                 number and each event is on disk before its message is answered; each round is summed and its model
 *                 stored. The models have ten parameters, and a site's update is the same in every round, so that
 *                 nothing is moved but messages (objects: bench/transfer.ts).
 *                 The coordinator has a process of its own, and takes each message by Connect's handler; the sites,
 *                 which sign and verify, have another (bench/control-sites.ts), as they have in a federation. Between
 *                 them are pipes: no TLS. On two cores both run at once; what each of them computed is told beside
 *                 the rate
 *   memory        resident set and heap of the coordinator after a tenth, three fifths and all of the rounds, garbage
 *                 collected where node has --expose-gc. Pure steps are taken afterwards
 */
import { type ChildProcessByStdio, spawn } from "node:child_process";
import type { Readable, Writable } from "node:stream";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { createConnectRouter } from "@connectrpc/connect";
import { type Coordinator, type CoordinatorEvent, roundCount } from "../src/coordinator/index.ts";
import { INITIAL_STATE } from "../src/coordinator/state.ts";
import { step } from "../src/coordinator/step.ts";
import { act, type FakeSite, makeUpdate } from "../src/coordinator/testing/fake-site.ts";
import { newFederation, submitSmall } from "../src/coordinator/testing/federations.ts";
import {
  aggregated,
  approvals,
  evaluation,
  smallStudy,
  submitted,
  update,
} from "../src/coordinator/testing/studies.ts";
import { readCertificate } from "../src/protocol/index.ts";
import { federationRoutes } from "../src/protocol/routes.ts";
import { ORDER, orderIn, readFrames, writeFrame, writeOrder } from "./control-frames.ts";

export type JoinedSite = Pick<
  FakeSite,
  "siteId" | "enrolment" | "keyPem" | "sequence" | "head" | "folder" | "cases"
> & {
  readonly update: SmallUpdate;
};

/** What the sites' process is told: who they are, and what all of them do next. */
export type SitesOrder =
  | { readonly kind: "join"; readonly sites: readonly JoinedSite[] }
  | { readonly kind: "train" | "evaluate" };

/** What it says once all of them have. */
export interface SitesReport {
  readonly done: SitesOrder["kind"];
  readonly cpuSeconds: number;
}

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

const control = await timeSiteRounds();
const pure = timeSteps();
const report = { sites, rounds, ...pure, ...control };
if (values.json) process.stdout.write(`${JSON.stringify(report)}\n`);
else {
  process.stdout.write(
    `pure steps    ${pure.stepsPerSecond.toFixed(0)} a second over ${pure.steps} events\n` +
      `state         ${pure.bytesPerSiteRound.toFixed(0)} bytes of heap for each site in each round\n` +
      `site-rounds   ${control.siteRoundsPerSecond.toFixed(0)} a second over ${control.roundsDone} rounds of ${sites} sites (${control.seconds.toFixed(0)} s)\n` +
      `processors    ${control.coordinatorCpuSeconds.toFixed(0)} s of the coordinator's, ${control.sitesCpuSeconds.toFixed(0)} s of the sites'\n` +
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
  const sitesSide = sitesProcess(federation.sites.map((site) => handlerOf(coordinator, site)));
  try {
    await submitSmall(coordinator, smallStudy({ count: rounds, deadlineS: 86_400 }, { retain: "all" }));
    await Promise.all(federation.sites.map(act));
    const joined: JoinedSite[] = [];
    for (const site of federation.sites) joined.push(await joinedSite(site, coordinator));
    const before = await sitesSide.order({ kind: "join", sites: joined });
    const [start, cpuBefore] = [performance.now(), process.cpuUsage()];
    const looks = [0.1, 0.6, 1].map((part) => Math.ceil(part * rounds));
    const memory: (Memory & { readonly round: number })[] = [];
    let last = before;
    for (let round = 1; round <= rounds; round++) {
      await sitesSide.order({ kind: "train" });
      await phaseAfter(coordinator, "aggregating");
      last = await sitesSide.order({ kind: "evaluate" });
      if (looks.includes(round)) memory.push({ round, ...memoryNow() });
    }
    const seconds = (performance.now() - start) / 1000;
    const cpu = process.cpuUsage(cpuBefore);
    const { study, phase } = coordinator.state();
    if (phase.kind !== "done") throw new Error(`the study is ${phase.kind} after ${roundCount(study)} rounds`);
    return {
      roundsDone: roundCount(study),
      journalRecords: coordinator.journal.head().number,
      seconds,
      siteRoundsPerSecond: (rounds * sites) / seconds,
      coordinatorCpuSeconds: (cpu.user + cpu.system) / 1e6,
      sitesCpuSeconds: last.cpuSeconds - before.cpuSeconds,
      memory,
    };
  } finally {
    sitesSide.end();
    await federation.remove();
  }
}

/** The sites go on in the other process, from where they are. */
async function joinedSite(site: FakeSite, coordinator: Coordinator): Promise<JoinedSite> {
  const update = await sendUpdate(site, coordinator);
  const { siteId, enrolment, keyPem, sequence, head, folder, cases } = site;
  return { siteId, enrolment, keyPem, sequence, folder, cases, ...(head && { head }), update };
}

type Handler = (envelope: Uint8Array) => Promise<Uint8Array>;

/** The coordinator's end of a site's connection: envelope in, envelope out, each as Connect's unary calls carry it. */
function handlerOf({ service }: Coordinator, { siteId, enrolment }: FakeSite): Handler {
  const { keySha256 } = readCertificate(enrolment.certificatePem);
  const router = createConnectRouter();
  federationRoutes(service, () => ({ siteId, keySha256 }))(router);
  const handler = router.handlers.find(({ method }) => method.name === "Exchange");
  if (handler === undefined) throw new Error("no method Exchange");
  const url = `http://coordinator${handler.requestPath}`;
  return async (envelope) => {
    const { status, body = [] } = await handler({
      httpVersion: "1.1",
      url,
      method: "POST",
      header: new Headers({ "content-type": "application/proto", "connect-protocol-version": "1" }),
      body: piecesOf(envelope),
      signal: new AbortController().signal,
    });
    const pieces: Uint8Array[] = [];
    for await (const piece of body) pieces.push(piece);
    if (status !== 200) throw new Error(`status ${status}: ${Buffer.concat(pieces).toString("utf8")}`);
    return Buffer.concat(pieces);
  };
}

async function* piecesOf(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

/** The sites' process: its envelopes go to the handlers of their sites, and back. */
function sitesProcess(handlers: readonly Handler[]) {
  const file = fileURLToPath(new URL("control-sites.ts", import.meta.url));
  const child: ChildProcessByStdio<Writable, Readable, null> = spawn(process.execPath, ["--import", "tsx", file], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  let done: (report: SitesReport) => void = () => undefined;
  child.on("exit", (code) => {
    if (code !== 0 && code !== null) process.exit(code);
  });
  readFrames(child.stdout, (frame) => {
    if (frame.number === ORDER) return done(orderIn<SitesReport>(frame));
    const handle = handlers[frame.body[0] + 256 * frame.body[1]];
    void handle(Uint8Array.from(frame.body.subarray(2))).then((body) => {
      writeFrame(child.stdin, { number: frame.number, body });
    });
  });
  return {
    order(order: SitesOrder): Promise<SitesReport> {
      return new Promise((resolve) => {
        done = resolve;
        writeOrder(child.stdin, order);
      });
    },
    end: () => void child.kill(),
  };
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
