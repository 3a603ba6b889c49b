/**
 * Journals that no coordinator writes: records damaged on disk, and records of a chain that holds whose events are not
 * whole, as whoever computes the chain anew could make them. Each is refused by its record's number, and none ends the
 * process in another way.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { createClient } from "@libsql/client";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ConsiliumError, createRandom, type Json, type Random } from "../../src/base/index.ts";
import type { CoordinatorEvent } from "../../src/coordinator/index.ts";
import { type Journal, openJournal } from "../../src/coordinator/journal.ts";
import { auditJournal } from "../../src/coordinator/journal-audit.ts";
import { openMachine } from "../../src/coordinator/machine.ts";
import {
  aggregated,
  approvals,
  evaluation,
  smallStudy,
  submitted,
  update,
} from "../../src/coordinator/testing/studies.ts";
import { FUZZ_RUNS, FUZZ_SEED, mutated, pick, randomText } from "./mutations.ts";

const SITES = ["tum", "upenn"];
const study = smallStudy({ count: 1 });
const events: readonly CoordinatorEvent[] = [
  ...submitted(SITES, study),
  ...approvals(SITES, study),
  ...SITES.map((siteId) => update(siteId, 1, study)),
  aggregated(1, SITES),
  ...SITES.map((siteId) => evaluation(siteId, 1, study, 0.5)),
];
const quiet = { taken: () => undefined, due: () => undefined };
/** A journal for each input takes the disk's time. */
const RUNS = Math.ceil(FUZZ_RUNS / 5);

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "consilium-fuzz-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** How opening and auditing end: "taken", or the code of the refusal. */
async function endOf(name: string, file: string, use: (journal: Journal) => Promise<unknown>): Promise<string> {
  let journal: Journal | undefined;
  try {
    journal = await openJournal(file);
    await use(journal);
    return "taken";
  } catch (error) {
    if (error instanceof ConsiliumError && error.code !== "internal") return error.code;
    throw new Error(`${name}: no refusal but ${String(error)}`, { cause: error });
  } finally {
    journal?.close();
  }
}

/** One member somewhere in it is removed, or becomes something else. */
function spoilt(random: Random, value: Json): Json {
  if (typeof value !== "object" || value === null || random.chance(0.15)) {
    return pick<Json>(random, [null, [], {}, -1, 1e300, true, randomText(random).slice(0, 2000)]);
  }
  if (Array.isArray(value)) {
    if (value.length === 0) return [null];
    const at = random.integer(value.length);
    return value.map((each, i) => (i === at ? spoilt(random, each) : each));
  }
  const names = Object.keys(value).filter((name) => name !== "kind");
  if (names.length === 0) return { ...value, more: 1 };
  const name = pick(random, names);
  const { [name]: member, ...rest } = value as Record<string, Json>;
  return random.chance(0.4) ? rest : { ...rest, [name]: spoilt(random, member) };
}

test(
  "events that are not whole are taken for what they say, or refused by their record",
  async () => {
    const codes = new Map<string, number>();
    for (let i = 0; i < RUNS; i++) {
      const random = createRandom(FUZZ_SEED, "events", i);
      const name = `journal, CONSILIUM_FUZZ_SEED=${FUZZ_SEED}, input ${i}`;
      const file = join(folder, `events-${i}.db`);
      const at = random.integer(events.length);
      const journal = await openJournal(file);
      await journal.replay(() => undefined);
      const changed = events.map((event, n) => (n === at ? spoilt(random, event as unknown as Json) : event));
      await journal.append(changed as CoordinatorEvent[]);
      journal.close();
      for (const use of [(open: Journal) => openMachine(open, quiet), (open: Journal) => auditJournal(open)]) {
        const code = await endOf(name, file, use);
        codes.set(code, (codes.get(code) ?? 0) + 1);
      }
      await rm(file, { force: true });
    }
    expect([...codes.keys()]).toContain("journal-corrupt");
  },
  120_000 + 500 * FUZZ_RUNS,
);

test(
  "a database that is damaged anywhere is refused, or holds what it held",
  async () => {
    const file = join(folder, "whole.db");
    const journal = await openJournal(file);
    await journal.replay(() => undefined);
    await journal.append(events);
    journal.close();
    const client = createClient({ url: pathToFileURL(file).href });
    const { rows } = await client.execute("SELECT number, body, sha256 FROM journal ORDER BY number");
    let refused = 0;
    for (let i = 0; i < RUNS; i++) {
      const random = createRandom(FUZZ_SEED, "bytes", i);
      const name = `record, CONSILIUM_FUZZ_SEED=${FUZZ_SEED}, input ${i}`;
      const row = rows[random.integer(rows.length)];
      const column = random.chance(0.8) ? "body" : "sha256";
      const was = row[column] as string;
      const became = Buffer.from(mutated(random, Buffer.from(was, "utf8")));
      const value = random.chance(0.2) ? became : became.toString("utf8");
      const put = (to: string | Buffer) =>
        client.execute({ sql: `UPDATE journal SET ${column} = ? WHERE number = ?`, args: [to, row.number] });
      await put(value);
      const code = await endOf(name, file, (open) => openMachine(open, quiet));
      if (value !== was) {
        expect(code, name).not.toBe("taken");
        refused++;
      }
      await put(was);
    }
    client.close();
    expect(refused).toBeGreaterThan(RUNS / 2);
    expect(await endOf("whole", file, (open) => openMachine(open, quiet))).toBe("taken");
  },
  120_000 + 500 * FUZZ_RUNS,
);
