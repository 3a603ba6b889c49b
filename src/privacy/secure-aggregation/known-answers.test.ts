import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import {
  maskCommitmentOf,
  pairSeed,
  type SelfSecret,
  selfCommitmentOf,
  selfSeed,
  shareCommitmentOf,
  shareKey,
} from "./mask-keys.ts";
import { createMasker } from "./mask-stream.ts";
import { sealedBytes } from "./masking-messages.ts";
import type { RoundContext } from "./round-context.ts";
import { combineShares, openShares, sealShares } from "./secret-shares.ts";

interface Vectors {
  readonly context: RoundContext;
  readonly keys: readonly {
    readonly site: string;
    readonly maskPrivate: string;
    readonly maskPublic: string;
    readonly sharePrivate: string;
    readonly sharePublic: string;
    readonly self: string;
  }[];
  readonly pairs: readonly {
    readonly sites: readonly [string, string];
    readonly seed: string;
    readonly keystream: string;
    readonly at1MiB: string;
  }[];
  readonly selves: readonly { readonly site: string; readonly commitment: string; readonly seed: string }[];
  readonly sealed: readonly {
    readonly from: string;
    readonly to: string;
    readonly key: string;
    readonly nonce: string;
    readonly mask: string;
    readonly self: string;
    readonly sealed: string;
  }[];
  readonly shamir: { readonly secret: string; readonly threshold: number; readonly shares: readonly string[] };
}

const path = new URL("../testdata/masking-vectors.json", import.meta.url);
const vectors = JSON.parse(readFileSync(path, "utf8")) as Vectors;
const bytes = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, "hex"));
const hex = (value: Uint8Array): string => Buffer.from(value).toString("hex");

const sites = new Map(
  vectors.keys.map((keys) => {
    const mask = { kind: "maskSecret", privateKey: bytes(keys.maskPrivate) } as const;
    const share = { kind: "shareSecret", privateKey: bytes(keys.sharePrivate) } as const;
    const self: SelfSecret = { kind: "selfSecret", bytes: bytes(keys.self) };
    return [keys.site, { keys, mask, share, self }] as const;
  }),
);

function siteOf(siteId: string) {
  const found = sites.get(siteId);
  if (found === undefined) throw new Error(`no vectors of site ${siteId}`);
  const { mask, share } = found;
  return {
    ...found,
    maskEnd: { siteId, commitment: maskCommitmentOf(mask) },
    shareEnd: { siteId, commitment: shareCommitmentOf(share) },
  };
}

describe("known answers by Python's cryptography", () => {
  const { context } = vectors;

  it("public halves", () => {
    for (const { keys, maskEnd, shareEnd } of [...sites.keys()].map(siteOf)) {
      expect(hex(maskEnd.commitment.publicKey)).toBe(keys.maskPublic);
      expect(hex(shareEnd.commitment.publicKey)).toBe(keys.sharePublic);
    }
  });

  it("seeds of pairs, from either end, and nothing like them in another round, attempt or study", () => {
    for (const { sites: pair, seed } of vectors.pairs) {
      const [a, b] = pair.map(siteOf);
      expect(hex(pairSeed(context, a.mask, a.maskEnd, b.maskEnd).bytes)).toBe(seed);
      expect(hex(pairSeed(context, b.mask, b.maskEnd, a.maskEnd).bytes)).toBe(seed);
      for (const other of [{ round: 8 }, { attempt: 3 }, { threshold: 3 }, { studyHash: "0".repeat(64) }]) {
        expect(hex(pairSeed({ ...context, ...other }, a.mask, a.maskEnd, b.maskEnd).bytes)).not.toBe(seed);
      }
    }
  });

  it("seeds of sites' own masks, and their commitments", () => {
    for (const { site, commitment, seed } of vectors.selves) {
      const { self } = siteOf(site);
      expect(selfCommitmentOf(self).sha256).toBe(commitment);
      expect(hex(selfSeed(context, self, site).bytes)).toBe(seed);
      expect(hex(selfSeed(context, self, "another").bytes)).not.toBe(seed);
    }
  });

  it("masks from the first byte, and from the middle", () => {
    for (const { seed, keystream, at1MiB } of vectors.pairs) {
      const terms = [{ seed: { kind: "maskSeed", bytes: bytes(seed) }, sign: 1 }] as const;
      const words = new Uint8Array(bytes(keystream).length);
      createMasker(terms, 32).apply(words);
      expect(hex(words)).toBe(keystream);
      const later = new Uint8Array(16);
      createMasker(terms, 64, 1 << 20).apply(later);
      expect(hex(later)).toBe(at1MiB);
      const whole = new Uint8Array((1 << 20) + 16);
      createMasker(terms, 64).apply(whole);
      expect(hex(whole.subarray(1 << 20))).toBe(at1MiB);
    }
  });

  it("shares sealed between two sites, each way under a key of its own", () => {
    for (const { from, to, key, nonce, mask, self, sealed } of vectors.sealed) {
      const [a, b] = [siteOf(from), siteOf(to)];
      const ends = { from: a.shareEnd, to: b.shareEnd };
      expect(hex(shareKey(context, a.share, b.shareEnd, ends))).toBe(key);
      expect(hex(shareKey(context, b.share, a.shareEnd, ends))).toBe(key);
      const about = sealedBytes(context, { from, to });
      const pair = { mask: bytes(mask), self: bytes(self) };
      expect(hex(sealShares(pair, bytes(key), about, { randomBytes: () => bytes(nonce) }))).toBe(sealed);
      expect(openShares(bytes(sealed), bytes(key), about, from)).toEqual(pair);
    }
    expect(vectors.sealed[0].key).not.toBe(vectors.sealed[1].key);
  });

  it("Shamir shares: any three of five give the secret, two give something else", async () => {
    const { secret, shares } = vectors.shamir;
    for (const choice of [
      [0, 1, 2],
      [4, 2, 0],
      [1, 3, 4],
      [0, 1, 2, 3, 4],
    ]) {
      expect(
        hex(
          await combineShares(
            choice.map((i) => bytes(shares[i])),
            "alpha",
          ),
        ),
      ).toBe(secret);
    }
    expect(hex(await combineShares([bytes(shares[0]), bytes(shares[1])], "alpha"))).not.toBe(secret);
  });
});
