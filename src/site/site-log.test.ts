import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { LIMITS, sha256 } from "../base/index.ts";
import { openFileStore } from "./file-store.ts";
import { departuresIn, openSiteLog, readSiteLogOf, type SiteLogRecord } from "./site-log.ts";

let home: string;
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), "consilium-log-"));
});
afterEach(() => rm(home, { recursive: true, force: true }));

const poll: SiteLogRecord = {
  what: "sign of life",
  to: "c:7443",
  bytes: 10,
  sha256: sha256("a"),
  studyHash: "",
  round: 0,
};

describe("the site's log", () => {
  it("keeps order and chain over restarts, and for calls made at once", async () => {
    for (let run = 0; run < 3; run++) {
      const log = await openSiteLog(await openFileStore(home));
      await Promise.all([1, 2, 3].map((round) => log.record({ ...poll, what: "update", round }, 1000 + run)));
    }
    const entries = await readSiteLogOf(await openFileStore(home));
    expect(entries.map(({ index }) => index)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
    expect(entries.map(({ round }) => round)).toEqual([1, 2, 3, 1, 2, 3, 1, 2, 3]);
    expect(entries[4]).toMatchObject({ what: "update", to: "c:7443", bytes: 10, timeMs: 1001 });
  });

  it("gives signs of life a line for each period, and none for each of them", async () => {
    const store = await openFileStore(home);
    const log = await openSiteLog(store);
    const digests = ["a", "b", "c", "d"].map((text) => sha256(text));
    for (const digest of digests.slice(0, 3)) await log.record({ ...poll, sha256: digest }, 1000);
    await log.record({ ...poll, what: "update" }, 1000);
    // The period is over with the next one.
    await log.record({ ...poll, sha256: digests[3] }, 1000 + LIMITS.signsOfLifePeriodMs);
    await log.flush(5000);
    const entries = await readSiteLogOf(store);
    expect(entries.map(({ what, count, bytes }) => [what, count, bytes])).toEqual([
      ["sign of life", undefined, 10],
      ["update", undefined, 10],
      ["signs of life", 2, 20],
      ["sign of life", undefined, 10],
    ]);
    expect(entries[2].sha256).toBe(sha256(digests[1], digests[2]));
    expect(departuresIn(entries)).toBe(5);
  });

  it("puts full files aside whole, and goes on with the chain over restarts", async () => {
    for (let run = 0; run < 3; run++) {
      const log = await openSiteLog(await openFileStore(home, { logFileBytes: 1000 }));
      for (let i = 0; i < 7; i++) await log.record({ ...poll, what: "update" }, i);
    }
    const files = (await readdir(home)).filter((name) => name.startsWith("outbox-log")).sort();
    expect(files.length).toBeGreaterThan(3);
    expect(files).toContain("outbox-log-000001.jsonl");
    expect(await readSiteLogOf(await openFileStore(home))).toHaveLength(21);
    // Guard: a file taken away shows.
    await rm(join(home, "outbox-log-000002.jsonl"));
    await expect(readSiteLogOf(await openFileStore(home))).rejects.toMatchObject({ code: "journal-corrupt" });
  });

  it.each([
    [
      "a line altered",
      (lines: string[]) => lines.map((line, i) => (i === 1 ? line.replace('"bytes":10', '"bytes":11') : line)),
      3,
    ],
    ["a line removed", (lines: string[]) => lines.filter((_, i) => i !== 1), 2],
    ["the first line removed", (lines: string[]) => lines.slice(1), 1],
    ["lines exchanged", (lines: string[]) => [lines[0], lines[2], lines[1], lines[3]], 2],
    ["a foreign line", (lines: string[]) => [...lines, "x"], 5],
  ])("shows %s", async (_name, tamper, line) => {
    const log = await openSiteLog(await openFileStore(home));
    for (let i = 0; i < 4; i++) await log.record({ ...poll, what: "update" }, i);
    const path = join(home, "outbox-log.jsonl");
    const lines = (await readFile(path, "utf8")).trimEnd().split("\n");
    expect(await readSiteLogOf(await openFileStore(home))).toHaveLength(4);
    await writeFile(path, `${tamper(lines).join("\n")}\n`);
    await expect(readSiteLogOf(await openFileStore(home))).rejects.toMatchObject({
      code: "journal-corrupt",
      subject: `the site's log, line ${line}`,
    });
  });
});
