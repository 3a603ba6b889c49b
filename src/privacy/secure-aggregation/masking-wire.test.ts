import { createPublicKey, generateKeyPairSync } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { sha256 } from "../../base/index.ts";
import { MASKING_ORDERS, MASKING_REPLIES, readMasking, restoreMasking, writeMasking } from "./masking-wire.ts";
import { signWithSiteKey, verifyByRoster } from "./roster-signatures.ts";

describe("masking messages as text", () => {
  it("come back as they were, bytes and all, in one spelling", () => {
    const value = fc.letrec((tie) => ({
      any: fc.oneof(
        { maxDepth: 3 },
        fc.uint8Array({ maxLength: 40 }),
        fc.string(),
        fc.integer(),
        fc.boolean(),
        fc.array(tie("any"), { maxLength: 4 }),
        fc.dictionary(fc.stringMatching(/^[a-z]{1,8}$/), tie("any"), { maxKeys: 4 }),
      ),
    })).any;
    fc.assert(
      fc.property(value, (each) => {
        const text = writeMasking(each);
        expect(restoreMasking(text)).toEqual(each);
        expect(writeMasking(restoreMasking(text))).toBe(text);
      }),
    );
  });

  it("are refused with members too many or too few, of another length, or as no JSON", () => {
    const good = { siteId: "a", signature: Uint8Array.of(1, 2) };
    expect(readMasking(writeMasking(good), MASKING_REPLIES.signature)).toEqual(good);
    const refused = (text: string): void =>
      expect(() => readMasking(text, MASKING_REPLIES.signature)).toThrow(/masking-message-invalid/);
    refused(writeMasking({ ...good, more: 1 }));
    refused(writeMasking({ siteId: "a" }));
    refused(writeMasking({ ...good, signature: new Uint8Array(513) }));
    refused(writeMasking({ ...good, signature: "0102" }));
    refused('{"siteId":"a","signature":{"$hex":"0g"}}');
    refused("[");
    const share = { siteId: "a", self: [{ of: "b", share: new Uint8Array(32) }], mask: [] };
    expect(() => readMasking(writeMasking(share), MASKING_REPLIES.reveal)).toThrow(/masking-message-invalid/);
    expect(() => readMasking(writeMasking({ list: { survivors: ["a"] } }), MASKING_ORDERS.signature)).toThrow(
      /masking-message-invalid/,
    );
  });
});

describe("signatures by the roster's keys", () => {
  const [mine, other] = [1, 2].map(() => generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey);
  const keySha256 = sha256(createPublicKey(mine).export({ format: "der", type: "spki" }));
  const { verify } = verifyByRoster([{ siteId: "a", keySha256 }]);
  const message = Uint8Array.of(1, 2, 3);

  it("hold for the site, the message and the key that was approved", () => {
    const signature = signWithSiteKey(mine).sign(message);
    expect(verify("a", message, signature)).toBe(true);
    expect(verify("b", message, signature)).toBe(false);
    expect(verify("a", Uint8Array.of(1, 2, 4), signature)).toBe(false);
    expect(verify("a", message, signWithSiteKey(other).sign(message))).toBe(false);
    const altered = Uint8Array.from(signature);
    altered[signature.length - 1] ^= 1;
    expect(verify("a", message, altered)).toBe(false);
    for (const cut of [0, 10, 64, signature.length - 1])
      expect(verify("a", message, signature.slice(0, cut))).toBe(false);
  });
});
