/** How a journal opens: snapshot and tail, an older or a later format, records that were taken away. */

import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { gunzipSync } from "node:zlib";
import { type Client, createClient, type InStatement } from "@libsql/client";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { canonicalJson, type Json, sha256 } from "../base/index.ts";
import type { Enrolment } from "../protocol/index.ts";
import { openCoordinator, replayAggregates, verifyHome } from "./index.ts";
import { openJournal } from "./journal.ts";
import { openMachine } from "./machine.ts";
import { roundsOf } from "./settled-rounds.ts";
import { STATE_FORMAT } from "./state.ts";
import { act, type FakeSite, memoryLinkOf, poll } from "./testing/fake-site.ts";
import { newFederation, runToEnd, submitSmall, type TestFederation } from "./testing/federations.ts";
import { smallStudy } from "./testing/studies.ts";

const SITES = ["tum", "ucsf", "upenn"];
const quiet = { taken: () => undefined, due: () => undefined };
const hash = (value: unknown): string => sha256(canonicalJson(value as Json));

async function withDatabase(home: string, ...statements: InStatement[]): Promise<void> {
  const client: Client = createClient({ url: pathToFileURL(join(home, "journal.db")).href });
  for (const statement of statements) await client.execute(statement);
  client.close();
}

/** Schema, format and rows. The file's bytes say less: whoever closes a database last moves its log into it. */
async function contentOf(home: string): Promise<unknown> {
  const client = createClient({ url: pathToFileURL(join(home, "journal.db")).href });
  const rowsOf = async (sql: string): Promise<unknown> => JSON.parse(JSON.stringify((await client.execute(sql)).rows));
  const content = {
    schema: await rowsOf("SELECT sql FROM sqlite_master ORDER BY name"),
    format: await rowsOf("PRAGMA user_version"),
    journal: await rowsOf("SELECT * FROM journal ORDER BY number"),
    heard: await rowsOf("SELECT * FROM heard ORDER BY 1"),
  };
  client.close();
  return content;
}

async function errorOf(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => "accepted",
    (error: Error) => error.message,
  );
}

describe("a journal with snapshots", () => {
  let federation: TestFederation;
  let state: string;
  /** Record that the only snapshot follows. */
  let at: number;

  beforeEach(async () => {
    federation = await newFederation(SITES);
    await submitSmall(federation.coordinator, smallStudy({ count: 2 }, { retain: "all" }));
    await runToEnd(federation);
    await federation.coordinator.close();
    const journal = await openJournal(join(federation.home, "journal.db"));
    const machine = await openMachine(journal, quiet);
    await journal.keepSnapshot(STATE_FORMAT, JSON.stringify(machine.state()));
    state = hash(machine.state());
    at = journal.head().number;
    journal.close();
  });
  afterEach(() => rm(federation.folder, { recursive: true, force: true }));

  async function reopened(): Promise<{ readonly state: string; readonly read: number }> {
    const journal = await openJournal(join(federation.home, "journal.db"));
    try {
      let read = 0;
      const counting = {
        ...journal,
        replay: (take: Parameters<typeof journal.replay>[0], after?: Parameters<typeof journal.replay>[1]) =>
          journal.replay((event, head) => {
            read++;
            return take(event, head);
          }, after),
      };
      return { state: hash((await openMachine(counting, quiet)).state()), read };
    } finally {
      journal.close();
    }
  }

  test("opens from the snapshot alone, and comes to the same state without it", async () => {
    expect(await reopened()).toEqual({ state, read: 0 });
    await withDatabase(federation.home, "DELETE FROM snapshots");
    expect(await reopened()).toEqual({ state, read: at });
  });

  test("leaves a snapshot of another format aside", async () => {
    await withDatabase(federation.home, "DELETE FROM snapshots");
    const journal = await openJournal(join(federation.home, "journal.db"));
    await journal.replay(() => undefined);
    await journal.keepSnapshot("consilium.state/0", "{}");
    journal.close();
    expect(await reopened()).toEqual({ state, read: at });
  });

  test("refuses a snapshot that was altered, and one that the audit finds untrue", async () => {
    await withDatabase(federation.home, "UPDATE snapshots SET body = replace(body, 'tum', 'mut')");
    expect(await errorOf(reopened())).toContain(`[journal-corrupt] journal, snapshot after record ${at}`);
    const body = '{"phase":{"kind":"idle"}}';
    await withDatabase(federation.home, "DELETE FROM snapshots");
    const journal = await openJournal(join(federation.home, "journal.db"));
    await journal.replay(() => undefined);
    await journal.keepSnapshot(STATE_FORMAT, body);
    journal.close();
    expect(await errorOf(verifyHome(federation.home))).toContain(`snapshot after record ${at}`);
  });

  test("finds a removed tail from its snapshot, and from what sites countersigned", async () => {
    const cut = `DELETE FROM journal WHERE number > ${at - 3}`;
    await withDatabase(federation.home, cut);
    expect(await errorOf(reopened())).toMatch(new RegExp(`journal-corrupt] journal, record ${at}: .*tail was removed`));
    await withDatabase(federation.home, "DELETE FROM snapshots");
    expect(await errorOf(reopened())).toMatch(
      /journal-rolled-back] journal, record \d+: .*countersigned.*tail was removed/,
    );
    // Whoever takes these away too is found by what sites keep themselves.
    await withDatabase(federation.home, "DELETE FROM countersigned");
    expect((await reopened()).read).toBe(at - 3);
    const [site] = federation.sites;
    const coordinator = await openCoordinator({ home: federation.home });
    site.link = memoryLinkOf(coordinator, site);
    expect(await errorOf(poll(site))).toContain("[journal-rolled-back]");
    expect(coordinator.status().trouble?.message).toContain("tum was told of");
    await coordinator.close();
    expect(await errorOf(verifyHome(federation.home, [site.head ?? { number: 0, sha256: "" }]))).toContain(
      "[journal-rolled-back]",
    );
  });

  test("is audited whole: signatures, snapshots, countersigned heads", async () => {
    const audit = await verifyHome(federation.home);
    expect(audit.records).toBe(at);
    expect(audit.snapshots).toEqual([at]);
    expect(audit.countersigned.map(({ siteId }) => siteId)).toEqual(SITES);
    // Three approvals; three updates and three evaluations in each of two rounds.
    expect(audit.signatures).toBe(15);
  });

  test("shows a chain written anew by the signatures that it cannot forge", async () => {
    const journal = await openJournal(join(federation.home, "journal.db"));
    const events: unknown[] = [];
    await journal.replay((event) => void events.push(event));
    journal.close();
    await rm(join(federation.home, "journal.db"));
    await rm(join(federation.home, "journal.db-wal"), { force: true });
    const forged = await openJournal(join(federation.home, "journal.db"));
    await forged.replay(() => undefined);
    for (const event of JSON.parse(JSON.stringify(events).replaceAll('"meanLoss":0.25', '"meanLoss":0.125'))) {
      await forged.append([event]);
    }
    forged.close();
    expect(await errorOf(verifyHome(federation.home))).toMatch(/record \d+: expected what \w+ signed/);
  });

  test("refuses a record that this version would not accept, instead of passing it over", async () => {
    const journal = await openJournal(join(federation.home, "journal.db"));
    await journal.replay(() => undefined);
    // Nothing waits for a time once the study is done.
    await journal.append([{ kind: "time-reached", atMs: 1 }]);
    journal.close();
    const refused = `[journal-corrupt] journal, record ${at + 1}: expected an event that the state before it accepts`;
    expect(await errorOf(reopened())).toContain(refused);
    expect(await errorOf(replayAggregates(federation.home))).toContain(refused);
    expect(await errorOf(verifyHome(federation.home))).toContain(refused);
  });

  test("refuses an event of a later version by its record, and a later format", async () => {
    const journal = await openJournal(join(federation.home, "journal.db"));
    await journal.replay(() => undefined);
    await journal.append([{ kind: "site-praised", atMs: 1 } as never]);
    journal.close();
    expect(await errorOf(reopened())).toContain(`[journal-version] journal, record ${at + 1}`);
    await withDatabase(federation.home, "PRAGMA user_version = 3");
    expect(await errorOf(reopened())).toContain("[journal-version] journal: expected a format up to 2, got format 3");
  });

  test("gives the same aggregates again, and names the rounds that it cannot check or bear out", async () => {
    const outcomes = async () =>
      (await replayAggregates(federation.home)).rounds.map(({ outcome, why }) => [outcome, why]);
    expect(await outcomes()).toEqual([
      ["equal", ""],
      ["equal", ""],
    ]);
    const journal = await openJournal(join(federation.home, "journal.db"));
    const { study } = (await openMachine(journal, quiet)).state();
    journal.close();
    const pathOf = (digest: string): string => join(federation.home, "objects", digest.slice(0, 2), digest);
    const { ucsf } = roundsOf(study)[0].updates ?? {};
    const bytes = await readFile(pathOf(ucsf.sha256));
    bytes[0] ^= 1;
    await writeFile(pathOf(ucsf.sha256), bytes);
    const [damaged] = await outcomes();
    expect(damaged[0]).toBe("different");
    await rm(pathOf(ucsf.sha256));
    expect(await outcomes()).toEqual([
      ["unchecked", "not kept: the update of ucsf"],
      ["equal", ""],
    ]);
  });
});

/**
 * `first-version/home.json.gz`: a coordinator's home in round 2 of 3, as the version before snapshots left it (journal
 * without a format's number), the keys of its three sites, and the model that the same version then came to.
 */
describe("a journal of the first version", () => {
  interface Stored {
    readonly nowMs: number;
    readonly files: Readonly<Record<string, string>>;
    readonly sites: readonly (Pick<FakeSite, "siteId" | "keyPem" | "sequence" | "cases"> & { enrolment: Enrolment })[];
    readonly finalSha256: string;
  }
  let folder: string;
  let home: string;
  let stored: Stored;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "consilium-first-"));
    home = join(folder, "home");
    const file = fileURLToPath(new URL("./testing/first-version/home.json.gz", import.meta.url));
    stored = JSON.parse(gunzipSync(await readFile(file)).toString("utf8")) as Stored;
    for (const [name, base64] of Object.entries(stored.files)) {
      await mkdir(dirname(join(home, name)), { recursive: true });
      await writeFile(join(home, name), Buffer.from(base64, "base64"));
    }
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  test("is read as it is, without being changed", async () => {
    const before = await contentOf(home);
    const audit = await verifyHome(home);
    expect(audit).toMatchObject({ records: 21, signatures: 10, snapshots: [], countersigned: [] });
    expect(await contentOf(home)).toEqual(before);
    const { rounds } = await replayAggregates(home);
    expect(rounds.map(({ round, outcome }) => [round, outcome])).toEqual([[1, "equal"]]);
  });

  test("goes on in mid-study, to the model that its own version came to", async () => {
    const clock = { nowMs: () => stored.nowMs };
    const coordinator = await openCoordinator({ home, clock });
    const sites = stored.sites.map((site) => {
      return { ...site, sent: [], folder, clock, link: memoryLinkOf(coordinator, site) };
    });
    const federation = { home, folder, coordinator, sites } as unknown as TestFederation;
    expect(coordinator.status().study).toMatchObject({ phase: "collecting", round: 2, came: ["tum"] });
    await runToEnd(federation);
    expect(coordinator.result()?.finalModel?.sha256).toBe(stored.finalSha256);
    await coordinator.close();
    expect((await verifyHome(home)).countersigned.map(({ siteId }) => siteId)).toEqual(SITES);
  });

  test("leads to the state that this version's snapshots are named after", async () => {
    await cp(home, `${home}-copy`, { recursive: true });
    const journal = await openJournal(join(home, "journal.db"));
    const machine = await openMachine(journal, quiet);
    // Where this fails because `step` or the state was changed on purpose: raise STATE_FORMAT, then this digest.
    expect(`${STATE_FORMAT} ${hash(machine.state())}`).toBe(
      "consilium.state/7 fd46b3440c283497383589ba10ec9c95d0d8c7c6d926e50f2123a4641f32ccee",
    );
    journal.close();
  });
});

test("a site is told heads in their order, over restarts of the coordinator", async () => {
  const federation = await newFederation(SITES);
  await submitSmall(federation.coordinator);
  const numbers: number[] = [];
  for (let turn = 0; turn < 4; turn++) {
    for (const site of federation.sites) {
      await act(site);
      numbers.push(site.head?.number ?? -1);
    }
    await federation.reopen();
  }
  expect(numbers).toEqual([...numbers].sort((a, b) => a - b));
  expect(numbers.at(-1)).toBeGreaterThan(numbers[0]);
  await federation.remove();
});

test("what a coordinator holds after a start is what it held before, to the last bit of every mean", async () => {
  const federation = await newFederation(SITES);
  await submitSmall(federation.coordinator, smallStudy({ count: 6 }));
  await runToEnd(federation);
  const before = hash(federation.coordinator.state());
  await federation.reopen();
  expect(hash(federation.coordinator.state())).toBe(before);
  await federation.remove();
});
