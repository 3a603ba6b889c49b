import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { LIMITS } from "../base/index.ts";
import { gunzipBounded, gunzipStart, isGzip } from "./gzip.ts";

describe("gunzipStart", () => {
  it("answers the beginning of a stream that goes on", () => {
    const zipped = gzipSync(Buffer.from(Array.from({ length: 1 << 20 }, (_, i) => (i * i) >> 3)));
    expect(isGzip(zipped)).toBe(true);
    expect(gunzipStart(zipped, 352, "long").length).toBe(352);
  });
});

describe("gunzipBounded", () => {
  it("does not trust the size it is told", async () => {
    const plain = Buffer.alloc(300_000, 7);
    const zipped = gzipSync(plain);
    for (const told of [0, 10, 300_000, LIMITS.volumeBytes]) {
      expect(plain.equals(await gunzipBounded(zipped, told, "sizes"))).toBe(true);
    }
  });

  it("joins the members of a stream of several (RFC 1952, 2.2)", async () => {
    const joined = Buffer.concat([gzipSync("head "), gzipSync("and tail")]);
    expect(Buffer.from(await gunzipBounded(joined, 5, "members")).toString()).toBe("head and tail");
  });

  it("stops at the limit, whatever a stream holds", async () => {
    await expect(gunzipBounded(gzipSync(Buffer.alloc(200_000)), 0, "bomb", 100_000)).rejects.toMatchObject({
      code: "limit-exceeded",
    });
  });
});
