/** HPKE against RFC 9180's own vectors (A.3.1) and against what pyhpke sealed (`bench/oracle/hpke_vectors.py`). */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createHpkeKeyPair, hpkeFrom, hpkeTo } from "./hpke.ts";
import vectors from "./testdata/hpke-vectors.json" with { type: "json" };

const bytes = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, "hex"));
const hex = (of: Uint8Array | undefined): string => Buffer.from(of ?? []).toString("hex");

const { rfc9180: rfc, pyhpke } = vectors;
const keysOf = (of: { readonly recipientPrivate: string; readonly recipientPublic: string }) => ({
  privateKey: bytes(of.recipientPrivate),
  publicKey: bytes(of.recipientPublic),
});

describe("HPKE", () => {
  test("seals and opens the pieces of RFC 9180, A.3.1, and exports its secrets", () => {
    const ephemeral = { privateKey: bytes(rfc.ephemeralPrivate), publicKey: bytes(rfc.encapsulated) };
    const sender = hpkeTo(bytes(rfc.recipientPublic), bytes(rfc.info), ephemeral);
    const receiver = hpkeFrom(bytes(rfc.encapsulated), keysOf(rfc), bytes(rfc.info));
    expect(hex(sender?.encapsulated)).toBe(rfc.encapsulated);
    const published = new Map(rfc.sealed as [number, string][]);
    for (let count = 0; count <= 256; count++) {
      const aad = Buffer.from(`Count-${count}`);
      const sealed = sender?.context.seal(bytes(rfc.plain), aad) ?? new Uint8Array();
      if (published.has(count)) expect(hex(sealed)).toBe(published.get(count));
      expect(hex(receiver?.open(sealed, aad))).toBe(rfc.plain);
    }
    for (const [label, secret] of rfc.exported) {
      expect(hex(sender?.context.exportSecret(bytes(label), 32))).toBe(secret);
      expect(hex(receiver?.exportSecret(bytes(label), 32))).toBe(secret);
    }
  });

  test("opens what another implementation sealed", () => {
    for (const vector of pyhpke) {
      const receiver = hpkeFrom(bytes(vector.encapsulated), keysOf(vector), bytes(vector.info));
      for (const { plain, aad, sealed } of vector.pieces) {
        expect(hex(receiver?.open(bytes(sealed), bytes(aad)) ?? bytes("ff"))).toBe(plain);
      }
      for (const [label, length, secret] of vector.exported) {
        expect(hex(receiver?.exportSecret(bytes(String(label)), Number(length)))).toBe(secret);
      }
    }
  });

  test("opens nothing that was altered, cut, moved or is for another key or purpose", () => {
    const own = createHpkeKeyPair();
    const info = Buffer.from("purpose");
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(), fc.integer({ min: 1, max: 255 }), (plain, at, flip) => {
        const sent = hpkeTo(own.publicKey, info);
        if (sent === undefined) throw new Error("a key of its own");
        const [first, second] = [sent.context.seal(plain), sent.context.seal(plain)];
        const receiver = () => hpkeFrom(sent.encapsulated, own, info);
        const altered = Uint8Array.from(first);
        altered[at % altered.length] ^= flip;
        expect(receiver()?.open(altered)).toBeUndefined();
        expect(receiver()?.open(first.subarray(0, at % first.length))).toBeUndefined();
        expect(receiver()?.open(second)).toBeUndefined();
        expect(receiver()?.open(first, Uint8Array.of(1))).toBeUndefined();
        expect(hpkeFrom(sent.encapsulated, createHpkeKeyPair(), info)?.open(first)).toBeUndefined();
        expect(hpkeFrom(sent.encapsulated, own, Buffer.from("other"))?.open(first)).toBeUndefined();
        const right = receiver();
        expect(right?.open(altered)).toBeUndefined();
        expect(hex(right?.open(first))).toBe(hex(plain));
        expect(right?.open(first)).toBeUndefined();
        expect(hex(right?.open(second))).toBe(hex(plain));
      }),
      { numRuns: 50 },
    );
  });

  test("takes no key that is not a point of the curve", () => {
    const own = createHpkeKeyPair();
    const off = Uint8Array.from(own.publicKey);
    off[64] ^= 1;
    const compressed = Uint8Array.of(2, ...own.publicKey.subarray(1, 33));
    for (const point of [off, compressed, own.publicKey.subarray(1), new Uint8Array(65), Uint8Array.of(0)]) {
      expect(hpkeFrom(point, own, new Uint8Array())).toBeUndefined();
      expect(hpkeTo(point, new Uint8Array())).toBeUndefined();
    }
  });
});
