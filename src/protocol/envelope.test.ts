import { generateKeyPairSync } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ConsiliumError, canonicalJson, LIMITS } from "../base/index.ts";
import {
  type EnvelopeToSeal,
  envelopeDigest,
  openEnvelope,
  readHeader,
  type SignedEnvelope,
  SignedEnvelopeSchema,
  sealEnvelope,
} from "./index.ts";

const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
const another = generateKeyPairSync("ec", { namedCurve: "P-256" });
const base: EnvelopeToSeal = {
  studyHash: "ab".repeat(32),
  round: 3,
  attempt: 1,
  sender: "upenn",
  sequence: 7,
  timeMs: 1_700_000_000_000,
  body: new Uint8Array([1, 2, 3]),
  privateKey,
};
const expected = { sender: "upenn", publicKey };

function codeOf(work: () => unknown): string {
  try {
    work();
    return "accepted";
  } catch (error) {
    return error instanceof ConsiliumError ? error.code : `not ours: ${error}`;
  }
}

function withHeader(members: Record<string, unknown>): SignedEnvelope {
  const envelope = sealEnvelope(base);
  const header = { ...(JSON.parse(new TextDecoder().decode(envelope.header)) as object), ...members };
  return { ...envelope, header: new TextEncoder().encode(canonicalJson(header as never)) };
}

describe("a signed envelope", () => {
  test("opens with the key of its sender", () => {
    expect(openEnvelope(sealEnvelope(base), expected)).toMatchObject({ round: 3, sequence: 7, sender: "upenn" });
  });

  test("does not open with another key, or for another sender", () => {
    const envelope = sealEnvelope(base);
    expect(codeOf(() => openEnvelope(envelope, { sender: "upenn", publicKey: another.publicKey }))).toBe(
      "signature-invalid",
    );
    expect(codeOf(() => openEnvelope(envelope, { sender: "tum", publicKey }))).toBe("signature-invalid");
  });

  test("is refused with any one byte of it changed", () => {
    const envelope = sealEnvelope(base);
    const parts = ["header", "body", "signature"] as const;
    fc.assert(
      fc.property(fc.constantFrom(...parts), fc.nat(), fc.integer({ min: 1, max: 255 }), (part, at, change) => {
        const bytes = Uint8Array.from(envelope[part]);
        bytes[at % bytes.length] ^= change;
        const code = codeOf(() => openEnvelope({ ...envelope, [part]: bytes }, expected));
        return ["signature-invalid", "message-invalid", "protocol-version"].includes(code);
      }),
      { numRuns: 400 },
    );
  });

  test("any bytes at all are refused with a code", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.uint8Array(), fc.uint8Array(), (header, body, signature) => {
        const envelope = create(SignedEnvelopeSchema, { header, body, signature });
        return codeOf(() => openEnvelope(envelope, expected)) === "message-invalid";
      }),
    );
    fc.assert(
      fc.property(fc.json(), (text) => {
        const envelope = create(SignedEnvelopeSchema, { header: new TextEncoder().encode(text) });
        return ["message-invalid", "protocol-version"].includes(codeOf(() => readHeader(envelope)));
      }),
    );
  });

  test("is refused a second time", () => {
    const envelope = sealEnvelope(base);
    expect(openEnvelope(envelope, { ...expected, afterSequence: 6 }).sequence).toBe(7);
    expect(codeOf(() => openEnvelope(envelope, { ...expected, afterSequence: 7 }))).toBe("message-replayed");
    expect(codeOf(() => openEnvelope(envelope, { ...expected, afterSequence: 8 }))).toBe("message-replayed");
  });

  test("an answer opens only for its request, and never as a message", () => {
    const request = sealEnvelope(base);
    const answer = sealEnvelope({ ...base, inReplyTo: envelopeDigest(request) });
    expect(openEnvelope(answer, { ...expected, request }).inReplyTo).toBe(envelopeDigest(request));
    const other = sealEnvelope({ ...base, timeMs: base.timeMs + 1 });
    expect(codeOf(() => openEnvelope(answer, { ...expected, request: other }))).toBe("message-replayed");
    expect(codeOf(() => openEnvelope(answer, expected))).toBe("message-invalid");
    expect(codeOf(() => openEnvelope(sealEnvelope(base), { ...expected, request }))).toBe("message-replayed");
  });

  test("of another protocol says so, whatever else is new in it", () => {
    expect(codeOf(() => readHeader(withHeader({ protocol: 2 })))).toBe("protocol-version");
    expect(codeOf(() => readHeader(withHeader({ protocol: 2, novelty: true })))).toBe("protocol-version");
  });

  test("with a member too many, too few, or out of range is refused", () => {
    expect(codeOf(() => readHeader(withHeader({})))).toBe("accepted");
    for (const members of [
      { novelty: 1 },
      { sender: undefined },
      { round: -1 },
      { sequence: 1.5 },
      { studyHash: "x" },
    ]) {
      expect(codeOf(() => readHeader(withHeader(members)))).toBe("message-invalid");
    }
  });

  test("in another spelling of the same header is refused", () => {
    const envelope = sealEnvelope(base);
    const spaced = new TextEncoder().encode(` ${new TextDecoder().decode(envelope.header)}`);
    expect(codeOf(() => readHeader({ ...envelope, header: spaced }))).toBe("message-invalid");
  });

  test("over the limit is refused by its size", () => {
    const body = new Uint8Array(LIMITS.messageBytes + 1);
    expect(codeOf(() => readHeader(sealEnvelope({ ...base, body })))).toBe("limit-exceeded");
  });
});
