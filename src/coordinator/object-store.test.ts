import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { sha256 } from "../base/index.ts";
import { type ObjectStore, openObjectStore } from "./object-store.ts";

const CONTENT = new TextEncoder().encode("forty bytes of an update, more or less. ");
const DIGEST = sha256(CONTENT);
const TOTAL = CONTENT.length;

let folder: string;
let store: ObjectStore;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "consilium-objects-"));
  store = await openObjectStore(folder);
});
afterEach(() => rm(folder, { recursive: true, force: true }));

function send(from: number, to: number): Promise<number> {
  const bytes = CONTENT.subarray(from, to);
  return store.addPiece({ siteId: "upenn", sha256: DIGEST, offset: from, totalBytes: TOTAL, bytes });
}
async function filesUnder(name: string): Promise<string[]> {
  return (await readdir(join(folder, name)).catch(() => [])).sort();
}

describe("an object store", () => {
  test("keeps what it is given under its digest, once", async () => {
    const object = await store.put(CONTENT);
    expect(await store.put(CONTENT)).toEqual({ sha256: DIGEST, bytes: TOTAL });
    expect(sha256(await readFile(store.pathOf(object.sha256)))).toBe(DIGEST);
    const five = new Uint8Array(5);
    expect(await store.read(DIGEST, 6, five)).toBe(5);
    expect(five).toEqual(CONTENT.slice(6, 11));
    expect(await store.read(DIGEST, TOTAL - 2, new Uint8Array(100))).toBe(2);
    expect(await filesUnder(DIGEST.slice(0, 2))).toEqual([DIGEST]);
    await store.remove(DIGEST);
    await expect(store.readWhole(DIGEST)).rejects.toMatchObject({ code: "object-missing" });
    await expect(store.read(DIGEST, 0, new Uint8Array(1))).rejects.toMatchObject({ code: "object-missing" });
  });

  test("refuses an object that the disk changed", async () => {
    await store.put(CONTENT);
    await writeFile(store.pathOf(DIGEST), "something else");
    await expect(store.readWhole(DIGEST)).rejects.toMatchObject({ code: "object-corrupt" });
  });

  test("takes an upload in pieces of any size, whatever restarts lie between", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.integer({ min: 1, max: 20 }), fc.boolean()), { maxLength: 8 }),
        async (pieces) => {
          let held = 0;
          for (const [length, restart] of [...pieces, [TOTAL, false] as const]) {
            if (restart) store = await openObjectStore(folder);
            expect(await store.heldBytes("upenn", DIGEST, TOTAL)).toBe(held);
            if (held < TOTAL) held = await send(held, Math.min(TOTAL, held + length));
          }
          expect(held).toBe(TOTAL);
          expect(await filesUnder("incoming/upenn")).toEqual([DIGEST]);
          await store.dropAllIncoming();
        },
      ),
      { numRuns: 20 },
    );
  });

  test("finishes an upload that was whole when the coordinator was killed", async () => {
    await mkdir(join(folder, "incoming", "upenn"), { recursive: true });
    await writeFile(join(folder, "incoming", "upenn", `${DIGEST}.part`), CONTENT);
    expect(await store.heldBytes("upenn", DIGEST, TOTAL)).toBe(TOTAL);
    expect(await filesUnder("incoming/upenn")).toEqual([DIGEST]);
    await store.accept("upenn", DIGEST);
    await store.accept("upenn", DIGEST);
    expect(sha256(await store.readWhole(DIGEST))).toBe(DIGEST);
    expect(await store.heldBytes("upenn", DIGEST, TOTAL)).toBe(TOTAL);
  });

  test("drops what a killed coordinator left of an upload if it is not what was said", async () => {
    const part = join(folder, "incoming", "upenn", `${DIGEST}.part`);
    await mkdir(join(folder, "incoming", "upenn"), { recursive: true });
    await writeFile(part, new Uint8Array(TOTAL));
    await expect(store.heldBytes("upenn", DIGEST, TOTAL)).rejects.toMatchObject({ code: "object-corrupt" });
    expect(await store.heldBytes("upenn", DIGEST, TOTAL)).toBe(0);
    await writeFile(part, new Uint8Array(TOTAL + 1));
    expect(await store.heldBytes("upenn", DIGEST, TOTAL)).toBe(0);
    expect(await send(0, TOTAL)).toBe(TOTAL);
  });

  test("answers requests of a site one after another", async () => {
    const outcomes = await Promise.allSettled([send(0, 10), send(0, 10)]);
    expect(outcomes.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
    expect(await store.heldBytes("upenn", DIGEST, TOTAL)).toBe(10);
  });
});
