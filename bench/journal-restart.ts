/**
 * How long a coordinator's state takes to come back from its journal.
 *
 *   npx tsx bench/journal-restart.ts [--events 100000] [--sites 29] [--json]
 *
 * A journal of so many events is written through the state machine itself (rounds of updates and figures of 29 sites,
 * evidence as long as a real message's), one transaction an event, with its snapshots. Then, each in a process of its
 * own:
 *   start    opened as a coordinator opens it: snapshot and tail
 *   whole    opened without snapshots: every record verified and taken again
 * Both must come to the same state. The time of a process's start is not in the figures.
 */
import { fork } from "node:child_process";
import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { canonicalJson, type Json, sha256 } from "../src/base/index.ts";
import type { CoordinatorEvent } from "../src/coordinator/index.ts";
import { openJournal } from "../src/coordinator/journal.ts";
import { openMachine } from "../src/coordinator/machine.ts";
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
    events: { type: "string", default: "100000" },
    sites: { type: "string", default: "29" },
    json: { type: "boolean", default: false },
    open: { type: "string" },
    whole: { type: "boolean", default: false },
  },
});
const quiet = { taken: () => undefined, due: () => undefined };
/** As long as those of a real update's announcement. */
const evidence = { header: "h".repeat(420), body: "b".repeat(420), signature: "s".repeat(88) };

interface Opened {
  readonly seconds: number;
  readonly records: number;
  readonly state: string;
  readonly rssBytes: number;
}

if (values.open !== undefined) process.send?.(await open(values.open, values.whole));
else await measure();

async function open(file: string, whole: boolean): Promise<Opened> {
  const startedAt = performance.now();
  const journal = await openJournal(file);
  const machine = await openMachine(whole ? { ...journal, snapshot: async () => undefined } : journal, quiet);
  const seconds = (performance.now() - startedAt) / 1000;
  const state = sha256(canonicalJson(machine.state() as unknown as Json));
  journal.close();
  return { seconds, records: journal.head().number, state, rssBytes: process.memoryUsage.rss() };
}

async function measure(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "consilium-journal-"));
  try {
    const file = join(folder, "journal.db");
    const writeSeconds = await write(file);
    const { size } = await stat(file);
    const start = await inProcess(file, []);
    const whole = await inProcess(file, ["--whole"]);
    if (start.state !== whole.state) throw new Error("snapshot and tail come to another state than all records");
    const { records } = start;
    const report = { records, fileBytes: size, writeSeconds, startSeconds: start.seconds, wholeSeconds: whole.seconds };
    if (values.json) process.stdout.write(`${JSON.stringify(report)}\n`);
    else {
      process.stdout.write(
        `${records} events in ${(size / 1e6).toFixed(0)} MB, written in ${writeSeconds.toFixed(1)} s ` +
          `(${(records / writeSeconds).toFixed(0)} a second)\n` +
          `start, snapshot and tail   ${start.seconds.toFixed(2)} s, memory then ${megabytes(start)} MB\n` +
          `every record again         ${whole.seconds.toFixed(2)} s, memory then ${megabytes(whole)} MB\n`,
      );
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function megabytes({ rssBytes }: Opened): string {
  return (rssBytes / 1e6).toFixed(0);
}

async function write(file: string): Promise<number> {
  const journal = await openJournal(file);
  const machine = await openMachine(journal, quiet);
  const startedAt = performance.now();
  for (const event of events()) {
    if (journal.head().number >= Number(values.events)) break;
    const { outcome } = await machine.take("evidence" in event ? { ...event, evidence } : event);
    if (outcome !== "accepted") throw new Error(`${event.kind} was ${outcome}`);
  }
  await machine.idle();
  journal.close();
  return (performance.now() - startedAt) / 1000;
}

function* events(): Generator<CoordinatorEvent> {
  const sites = Array.from({ length: Number(values.sites) }, (_, i) => `site-${String(i).padStart(3, "0")}`);
  const study = smallStudy({ count: 100_000 });
  yield* submitted(sites, study);
  yield* approvals(sites, study);
  for (let round = 1; ; round++) {
    for (const siteId of sites) yield update(siteId, round, study);
    yield aggregated(round, sites);
    for (const siteId of sites) yield evaluation(siteId, round, study, 0.5);
  }
}

function inProcess(file: string, options: readonly string[]): Promise<Opened> {
  return new Promise((resolve, reject) => {
    const child = fork(import.meta.filename, ["--open", file, ...options], { execArgv: ["--import", "tsx"] });
    child.once("message", (message) => resolve(message as Opened));
    child.once("error", reject);
    child.once("exit", (code) => code !== 0 && reject(new Error(`opening ended with ${code}`)));
  });
}
