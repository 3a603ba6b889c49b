/** What the store promises, first as any store would, then what only files can get wrong. */
import { appendFile, chmod, mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { sha256 } from "../base/index.ts";
import { openFileStore, writeFileDurably } from "./file-store.ts";
import type { SiteStore } from "./site-store.ts";

let root: string;
let count = 0;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "consilium-store-"));
});
afterAll(() => rm(root, { recursive: true, force: true }));

const make = (): Promise<SiteStore> => openFileStore(join(root, `store-${count++}`));

describe("a site's store", () => {
  it("gives back what was written, and undefined for what was not", async () => {
    const store = await make();
    expect(await store.read("study/abc")).toBeUndefined();
    await store.write("study/abc", { round: 1 });
    await store.write("study/abc", { round: 2, nested: [null, "é"] });
    await store.write("sequence", 7);
    expect(await store.read("study/abc")).toEqual({ round: 2, nested: [null, "é"] });
    expect(await store.list("study/")).toEqual(["study/abc"]);
    expect(await store.list("")).toEqual(["sequence", "study/abc"]);
  });

  it("keeps blobs under their hash, and only those that are asked for", async () => {
    const store = await make();
    const [a, b] = [await store.keepObject(Uint8Array.of(1)), await store.keepObject(Uint8Array.of(2))];
    expect(await store.keepObject(Uint8Array.of(1))).toBe(a);
    expect(a).toBe(sha256(Uint8Array.of(1)));
    expect([...(await store.object(b))]).toEqual([2]);
    await store.retainObjects(new Set([a]));
    expect([await store.hasObject(a), await store.hasObject(b)]).toEqual([true, false]);
    await expect(store.object(b)).rejects.toMatchObject({ code: "object-missing" });
  });

  it("appends lines in order and finds the last one", async () => {
    const store = await make();
    expect(await store.lastLine("log")).toBeUndefined();
    expect(await store.lines("log")).toEqual([]);
    const long = "x".repeat(200_000);
    for (const line of ["a", "", long, "é"]) await store.append("log", line);
    expect(await store.lines("log")).toEqual(["a", "", long, "é"]);
    expect(await store.lastLine("log")).toBe("é");
  });

  it("refuses names that lead out of it", async () => {
    const store = await make();
    for (const name of ["../x", "a/../b", "/etc", "A", "", "a//b", "a."]) {
      await expect(store.read(name)).rejects.toMatchObject({ code: "internal" });
    }
  });
});

describe("a site's store in files", () => {
  it("cuts off a torn line before it appends, and never shows it", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.string({ maxLength: 20 }).map((s) => s.replaceAll("\n", "")),
          { maxLength: 5 },
        ),
        async (whole) => {
          const folder = join(root, `store-${count++}`);
          const store = await openFileStore(folder);
          for (const line of whole) await store.append("log", line);
          await appendFile(join(folder, "log.jsonl"), '{"torn":');
          const again = await openFileStore(folder);
          expect(await again.lines("log")).toEqual(whole);
          expect(await again.lastLine("log")).toBe(whole.at(-1));
          await again.append("log", "next");
          expect(await again.lines("log")).toEqual([...whole, "next"]);
        },
      ),
      { numRuns: 20 },
    );
  });

  it("is readable by its owner only", async () => {
    const folder = join(root, `store-${count++}`);
    const store = await openFileStore(folder);
    await store.write("data", { cases: 1 });
    await store.append("log", "x");
    for (const name of ["data.json", "log.jsonl"]) expect((await stat(join(folder, name))).mode & 0o777).toBe(0o600);
    expect((await stat(folder)).mode & 0o777).toBe(0o700);
  });

  it("refuses a blob or a document that was changed on disk", async () => {
    const folder = join(root, `store-${count++}`);
    const store = await openFileStore(folder);
    const hash = await store.keepObject(Uint8Array.of(1, 2, 3));
    await writeFile(join(folder, "objects", hash), Uint8Array.of(1, 2, 4));
    await expect(store.object(hash)).rejects.toMatchObject({ code: "object-corrupt" });
    await store.write("data", {});
    await writeFile(join(folder, "data.json"), "{");
    await expect(store.read("data")).rejects.toMatchObject({ code: "home-invalid" });
  });

  it("leaves the old document where a write fails, and no temporary file", async () => {
    const folder = join(root, `store-${count++}`);
    const store = await openFileStore(folder);
    await store.write("data", { cases: 1 });
    const cyclicSafe = writeFileDurably(join(folder, "data.json", "below"), "x");
    await expect(cyclicSafe).rejects.toMatchObject({ code: "folder-not-writable" });
    await expect(writeFileDurably("/dev/full/x", "x")).rejects.toMatchObject({ code: "folder-not-writable" });
    expect(await readFile(join(folder, "data.json"), "utf8")).toBe('{"cases":1}\n');
    expect((await readdir(folder)).filter((name) => name.endsWith(".tmp"))).toEqual([]);
    await chmod(folder, 0o700);
  });

  it("clears away what a killed process left half-written", async () => {
    const folder = join(root, `store-${count++}`);
    await openFileStore(folder);
    const leftover = join(folder, ".data.json.1.0.tmp");
    await writeFile(leftover, "{");
    await utimes(leftover, new Date(0), new Date(0));
    const store = await openFileStore(folder);
    expect(await readdir(folder)).toEqual(["objects"]);
    expect(await store.list("")).toEqual([]);
  });
});
