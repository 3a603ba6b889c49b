import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { type Client, createClient, LibsqlError } from "@libsql/client";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type ConsiliumError, LIMITS } from "../base/index.ts";
import type { CoordinatorEvent } from "./events.ts";
import { type Journal, openJournal } from "./journal.ts";
import { databaseError } from "./journal-database.ts";
import { createJournalWriter } from "./journal-writer.ts";
import { openMachine } from "./machine.ts";
import { aggregated, approvals, evaluation, smallStudy, submitted, update } from "./testing/studies.ts";

const SITES = ["tum", "upenn"];
const study = smallStudy({ count: 1 });
const events: CoordinatorEvent[] = [
  ...submitted(SITES, study),
  ...approvals(SITES, study),
  ...SITES.map((siteId) => update(siteId, 1, study)),
  aggregated(1, SITES),
  ...SITES.map((siteId) => evaluation(siteId, 1, study, 0.5)),
];

let folder: string;
let file: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "consilium-journal-"));
  file = join(folder, "journal.db");
});
afterEach(() => rm(folder, { recursive: true, force: true }));

test("an event that the state machine fails at is told apart from a damaged record, with its cause", async () => {
  const told = await withJournal(async (journal) => {
    await journal.replay(() => undefined);
    await journal.append([...events, { kind: "site-enrolled", atMs: 60 } as CoordinatorEvent]);
    const cause = new TypeError("no such member");
    const takes = (event: CoordinatorEvent): void => {
      if (event.kind === "site-enrolled" && event.siteId === undefined) throw cause;
    };
    const error = await journal.replay(takes).catch((error: unknown) => error);
    expect((error as Error).cause).toBe(cause);
    return error as ConsiliumError;
  });
  expect(told).toMatchObject({
    code: "journal-corrupt",
    subject: `journal, record ${events.length + 1}`,
    actual: "site-enrolled, whole by the chain, at which it failed: no such member",
    hint: expect.stringContaining("Nothing is damaged on the disk"),
  });
});

async function withJournal<T>(use: (journal: Journal) => Promise<T>): Promise<T> {
  const journal = await openJournal(file);
  try {
    return await use(journal);
  } finally {
    journal.close();
  }
}
async function withDatabase(use: (client: Client) => Promise<unknown>): Promise<void> {
  const client = createClient({ url: pathToFileURL(file).href });
  await use(client);
  client.close();
}
function write(records: readonly CoordinatorEvent[] = events): Promise<void> {
  return withJournal(async (journal) => {
    await journal.replay(() => undefined);
    for (const event of records) await journal.append([event]);
  });
}
function read(): Promise<CoordinatorEvent[]> {
  return withJournal(async (journal) => {
    const found: CoordinatorEvent[] = [];
    await journal.replay((event) => void found.push(event));
    return found;
  });
}
async function refusal(): Promise<string> {
  return read().then(
    () => "accepted",
    (error: Error) => error.message,
  );
}

describe("a journal", () => {
  test("gives back what was written, over several openings", async () => {
    await write(events.slice(0, 5));
    await write(events.slice(5));
    expect(await read()).toEqual(events);
  });

  test("refuses an altered record by its number", async () => {
    await write();
    await withDatabase((client) =>
      client.execute(`UPDATE journal SET body = replace(body, '"atMs":20', '"atMs":21') WHERE number = 7`),
    );
    expect(await refusal()).toMatch(/\[journal-corrupt] journal, record 7: /);
  });

  test("refuses any one changed character, wherever it is", async () => {
    await write();
    const length = JSON.stringify(events[6]).length;
    await fc.assert(
      fc.asyncProperty(fc.nat({ max: length - 40 }), async (at) => {
        let before = "";
        await withDatabase(async (client) => {
          before = (await client.execute("SELECT body FROM journal WHERE number = 7")).rows[0].body as string;
          const changed = `${before.slice(0, at)}${before[at] === "x" ? "y" : "x"}${before.slice(at + 1)}`;
          await client.execute({ sql: "UPDATE journal SET body = ? WHERE number = 7", args: [changed] });
        });
        const said = await refusal();
        await withDatabase((client) =>
          client.execute({ sql: "UPDATE journal SET body = ? WHERE number = 7", args: [before] }),
        );
        return said.includes("record 7");
      }),
      { numRuns: 15 },
    );
    expect(await refusal()).toBe("accepted");
  });

  test("refuses a record altered together with its hash, by the one after it", async () => {
    await write();
    await withDatabase((client) =>
      client.execute(
        "UPDATE journal SET body = (SELECT body FROM journal WHERE number = 3), sha256 = 'f' WHERE number = 7",
      ),
    );
    expect(await refusal()).toMatch(/record 7/);
  });

  test("refuses a missing, an exchanged and an added record", async () => {
    await write();
    await withDatabase((client) => client.execute("DELETE FROM journal WHERE number = 4"));
    expect(await refusal()).toMatch(/record 4/);
    await rm(folder, { recursive: true });
    await mkdir(folder);
    await write();
    await withDatabase((client) => client.execute("UPDATE journal SET number = 100 - number WHERE number IN (50, 8)"));
    expect(await refusal()).toMatch(/record 8/);
  });

  test("opens at the last whole record where the last ones never reached the disk", async () => {
    await write();
    await withDatabase((client) => client.execute("DELETE FROM journal WHERE number > 6"));
    expect(await read()).toEqual(events.slice(0, 6));
    await write(events.slice(6));
    expect(await read()).toEqual(events);
  });

  test("is refused where the file is something else", async () => {
    await writeFile(file, "this is no database, and long enough to be mistaken for one by nobody ".repeat(100));
    expect(await refusal()).toMatch(/\[journal-corrupt]/);
  });

  test("names a full disk and a disk that is not for writing", () => {
    const codes = ["SQLITE_FULL", "SQLITE_IOERR_WRITE", "SQLITE_READONLY", "SQLITE_NOTADB"].map((code) => {
      return (databaseError(new LibsqlError("as SQLite says it", code)) as { code: string }).code;
    });
    expect(codes).toEqual(["disk-full", "disk-full", "folder-not-writable", "journal-corrupt"]);
    const other = new Error("something else");
    expect(databaseError(other)).toBe(other);
  });

  test("in a folder that is none says so", async () => {
    file = join(folder, "absent", "journal.db");
    expect(await refusal()).toMatch(/\[folder-not-writable]/);
  });

  test("keeps the last number of each key, and never an older one", async () => {
    await withJournal(async (journal) => {
      await journal.hear({ keySha256: "a", sequence: 5, atMs: 1 });
      await journal.hear({ keySha256: "b", sequence: 9, atMs: 2 });
      await journal.hear({ keySha256: "a", sequence: 4, atMs: 3 });
    });
    const heard = await withJournal((journal) => journal.lastHeard());
    expect([...heard.values()].map(({ keySha256, sequence }) => [keySha256, sequence])).toEqual([
      ["a", 5],
      ["b", 9],
    ]);
  });
});

describe("writes that wait together", () => {
  test("are all on disk, or none of them where one cannot be", async () => {
    await write([]);
    const beginnings: string[] = [];
    const client = createClient({ url: pathToFileURL(file).href });
    const writer = createJournalWriter({
      ...client,
      batch: (statements, mode) => {
        const rows = statements.map((statement) => (statement as { args: unknown[] }).args.length / 3);
        beginnings.push(`${rows.join(" and ")} rows in a ${mode} transaction`);
        return client.batch(statements, mode);
      },
    } as Client);
    const hear = (key: string, sequence = 1) => writer.write({ heard: [[key, sequence, 1]] });
    const record = (number: number) => writer.write({ journal: [[number, "{}", "a digest"]] });
    await Promise.all([hear("a"), record(1), hear("b", 3), hear("c"), hear("b", 2), record(2)]);
    const failed = await Promise.allSettled([hear("d"), record(2), record(3)]);
    expect(failed.map(({ status }) => status)).toEqual(["rejected", "rejected", "rejected"]);
    await Promise.all([hear("e"), record(3)]);
    client.close();
    expect(beginnings).toEqual(["2 and 4", "2 and 1", "1 and 1"].map((rows) => `${rows} rows in a write transaction`));
    const heard = await withJournal((journal) => journal.lastHeard());
    expect([...heard.values()].map(({ keySha256, sequence }) => `${keySha256} ${sequence}`).sort()).toEqual([
      "a 1",
      "b 3",
      "c 1",
      "e 1",
    ]);
    expect(await withJournal(async (journal) => (await journal.page(0, 9)).map(({ number }) => number))).toEqual([
      1, 2, 3,
    ]);
  });

  test("are as many as may wait, in one transaction", async () => {
    await write([]);
    const keys = Array.from({ length: 2 * LIMITS.journalWritesTogether + 1 }, (_, i) => `key ${i}`);
    await withJournal(async (journal) => {
      await journal.replay(() => undefined);
      const many = keys.map((keySha256, i) => ({ keySha256, sequence: i, atMs: 1 }));
      const repeated = Array.from({ length: keys.length }, () => events[0]);
      await Promise.all([journal.append(repeated), ...many.map((each) => journal.hear(each))]);
    });
    expect((await read()).length).toBe(keys.length);
    expect([...(await withJournal((journal) => journal.lastHeard())).keys()].sort()).toEqual([...keys].sort());
  });
});

describe("a machine", () => {
  const quiet = { taken: () => undefined, due: () => undefined };

  test("killed after any event comes back to the same state", async () => {
    for (const event of events) {
      const before = await withJournal(async (journal) => {
        const machine = await openMachine(journal, quiet);
        expect((await machine.take(event)).outcome).toBe("accepted");
        return machine.state();
      });
      const again = await withJournal(async (journal) => (await openMachine(journal, quiet)).state());
      expect(again).toEqual(before);
    }
    expect(await withJournal(async (journal) => (await openMachine(journal, quiet)).state().phase.kind)).toBe("done");
  });

  test("does not move where the journal cannot take the event, and tells nobody", async () => {
    await withJournal(async (journal) => {
      let full = false;
      const told: string[] = [];
      const failing: Journal = {
        ...journal,
        append: (events) => (full ? Promise.reject(new Error("full")) : journal.append(events)),
      };
      const machine = await openMachine(failing, { taken: (event) => told.push(event.kind), due: () => undefined });
      await machine.take(events[0]);
      full = true;
      const before = machine.state();
      await expect(machine.take(events[1])).rejects.toThrow("full");
      expect(machine.state()).toBe(before);
      expect(told).toEqual(["site-invited"]);
      full = false;
      expect((await machine.take(events[1])).outcome).toBe("accepted");
    });
  });

  test("takes events that wait together as if they came one by one, a record each", async () => {
    const together = await withJournal(async (journal) => {
      const told: number[] = [];
      const machine = await openMachine(journal, {
        taken: (event) => told.push(events.indexOf(event)),
        due: () => undefined,
      });
      const verdicts = await Promise.all([...events, events[0]].map((event) => machine.take(event)));
      expect(verdicts.map(({ outcome }) => outcome)).toEqual([...events.map(() => "accepted"), "rejected"]);
      expect(told).toEqual(events.map((_, i) => i));
      expect(journal.head().number).toBe(events.length);
      return machine.state();
    });
    expect(await read()).toEqual(events);
    await rm(file);
    await write();
    expect(await withJournal(async (journal) => (await openMachine(journal, quiet)).state())).toEqual(together);
  });

  test("says nothing of events that wait together until all of them are on disk", async () => {
    await withJournal(async (journal) => {
      let full = true;
      const failing: Journal = {
        ...journal,
        append: (events) => (full ? Promise.reject(new Error("full")) : journal.append(events)),
      };
      const machine = await openMachine(failing, quiet);
      const before = machine.state();
      const outcomes = await Promise.allSettled([machine.take(events[0]), machine.take(events[0])]);
      expect(outcomes.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
      expect(machine.state()).toBe(before);
      full = false;
      const again = await Promise.all([machine.take(events[0]), machine.take(events[0])]);
      expect(again.map(({ outcome }) => outcome)).toEqual(["accepted", "rejected"]);
    });
    expect(await read()).toEqual(events.slice(0, 1));
  });

  test("refuses what it has no answer to by itself, and takes what waits beside it", async () => {
    await withJournal(async (journal) => {
      const machine = await openMachine(journal, quiet);
      const broken = { kind: "study-submitted", atMs: 1 } as never;
      const taken = await Promise.allSettled([events[0], broken, events[1]].map((event) => machine.take(event)));
      expect(taken.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
    });
    expect(await read()).toEqual(events.slice(0, 2));
  });
});
