/** Sealed calls by themselves: what an enrolled but dishonest site can seal, how much is read, what is taken twice. */
import { PassThrough } from "node:stream";
import { create, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { type Clock, ConsiliumError, canonicalJson, LIMITS, sha256, systemClock } from "../../base/index.ts";
import { readPrivateKey, SealedHeadSchema } from "../index.ts";
import { type FakeFederation, fakeFederation } from "../testing/fake-federation.ts";
import { byteReader } from "./byte-reader.ts";
import { createCallsTaken, timeOff } from "./calls-taken.ts";
import { hpkeTo, TAG_BYTES } from "./hpke.ts";
import { type Call, type OpenedCall, openCall, PREFIX_BYTES, readPrefix, sealCall } from "./sealed-call.ts";
import {
  believeSealingKey,
  createSealingKeys,
  type KnownSealingKey,
  type SealingKeys,
  stateSealingKey,
} from "./sealing-key.ts";

const CHALLENGE = "0".repeat(64);
let federation: FakeFederation;
let keys: SealingKeys;
let to: KnownSealingKey;
beforeAll(async () => {
  federation = await fakeFederation();
  const { authority, coordinator } = federation;
  keys = createSealingKeys(coordinator, authority.certificatePem, systemClock);
  const nowMs = systemClock.nowMs();
  const stated = stateSealingKey(keys.present(), CHALLENGE, nowMs);
  to = believeSealingKey(stated, { authorityPem: authority.certificatePem }, CHALLENGE, nowMs);
});

function opened(bytes: Uint8Array): OpenedCall {
  const prefix = readPrefix(bytes.subarray(0, PREFIX_BYTES));
  const own = keys.find(prefix.keyId);
  if (own === undefined) throw new Error("a key that is known");
  return openCall(prefix, bytes.subarray(PREFIX_BYTES, PREFIX_BYTES + prefix.headBytes), own).read();
}

const codeOf = (work: () => unknown): string => {
  try {
    work();
    return "none";
  } catch (error) {
    return error instanceof ConsiliumError ? error.code : `defect: ${String(error)}`;
  }
};

/** A call whose head is whatever its sender likes, rightly sealed. */
function sealedHead(header: Uint8Array, whole = (head: Uint8Array) => head): Uint8Array {
  const sent = hpkeTo(to.publicKey, Buffer.from("consilium.v1.sealed-call\0", "latin1"));
  if (sent === undefined) throw new Error("a key to seal to");
  const head = whole(toBinary(SealedHeadSchema, create(SealedHeadSchema, { header: new Uint8Array(header) })));
  const length = head.length + TAG_BYTES;
  const id = Buffer.from(to.id, "hex");
  const prefix = Buffer.concat([Uint8Array.of(1), id, sent.encapsulated, Uint8Array.of(length >> 8, length & 255)]);
  return Buffer.concat([prefix, sent.context.seal(head, prefix)]);
}

describe("a sealed call", () => {
  const calls: Call[] = [
    { kind: "enrol" },
    { kind: "exchange" },
    { kind: "read", sha256: "a".repeat(64), offset: 0, bytes: LIMITS.chunkBytes },
    { kind: "held", sha256: "a".repeat(64), totalBytes: 7 },
    { kind: "write", sha256: "a".repeat(64), offset: 3, totalBytes: 2 ** 40 },
    { kind: "probe-down", bytes: 1 },
    { kind: "probe-up" },
  ];
  test.each(calls)("opens as it was sealed: $kind", (call) => {
    const body = ["enrol", "exchange", "write", "probe-up"].includes(call.kind) ? Buffer.from("body") : Buffer.alloc(0);
    const { bytes } = sealCall({ to, call, body, timeMs: 5, own: undefined });
    const open = opened(bytes);
    expect(open.header).toMatchObject({ call, timeMs: 5, bodyBytes: body.length, bodySha256: sha256(body) });
    expect(bytes.length - PREFIX_BYTES).toBe(
      bytes[PREFIX_BYTES - 2] * 256 + bytes[PREFIX_BYTES - 1] + open.sealedBodyBytes,
    );
    const sealedBody = open.sealedBodyBytes === 0 ? undefined : bytes.subarray(bytes.length - open.sealedBodyBytes);
    expect(Buffer.compare(open.openBody(sealedBody), body)).toBe(0);
  });

  test("is refused with a code, whatever stands in its head", () => {
    const allowed = new Set(["sealing-invalid", "protocol-version"]);
    const json = fc.oneof(fc.json(), fc.string()).map((text) => Buffer.from(text));
    fc.assert(
      fc.property(
        fc.oneof(json, fc.uint8Array({ maxLength: 500 })),
        fc.uint8Array({ maxLength: 40 }),
        (header, tail) => {
          expect(allowed).toContain(codeOf(() => opened(sealedHead(header))));
          const junk = sealedHead(header, (head) => Buffer.concat([tail, head]));
          expect(new Set([...allowed, "none"])).toContain(codeOf(() => opened(junk)));
        },
      ),
      { numRuns: 100 },
    );
  });

  test("is refused where one member of its header is another, or was signed for another call", () => {
    const own = federation.coordinator;
    const call = { kind: "write", sha256: "a".repeat(64), offset: 0, totalBytes: 10 } as const;
    const nowMs = systemClock.nowMs();
    const { bytes } = sealCall({
      to,
      call,
      body: Buffer.from("x"),
      timeMs: nowMs,
      own: { key: readPrivateKey(own.keyPem), certificateDer: new Uint8Array() },
    });
    const { header } = opened(bytes);
    const wrong: Record<string, unknown>[] = [
      { protocol: 2 },
      { keyId: "0".repeat(32) },
      { nonce: "x" },
      { timeMs: -1 },
      { timeMs: 1.5 },
      { bodyBytes: LIMITS.chunkBytes + 1 },
      { bodySha256: "x" },
      { more: 1 },
      { call: { ...call, kind: "other" } },
      { call: { ...call, more: 1 } },
      { call: { ...call, sha256: "../../x" } },
      { call: { kind: "read", sha256: "a".repeat(64), offset: 0, bytes: LIMITS.chunkBytes + 1 } },
      { call: { kind: "read", sha256: "a".repeat(64), offset: 0, bytes: 1 }, bodyBytes: 1 },
      // All of it right, and its signature too: but it was signed over another encapsulated key.
      {},
    ];
    for (const change of wrong) {
      const changed = Buffer.from(canonicalJson({ ...header, ...change } as never));
      expect([change, codeOf(() => opened(sealedHead(changed)))]).toEqual([
        change,
        "protocol" in change ? "protocol-version" : "sealing-invalid",
      ]);
    }
    const spelt = Buffer.from(JSON.stringify(header, null, 1));
    expect(codeOf(() => opened(sealedHead(spelt)))).toBe("sealing-invalid");
  });

  test("with another body than its head was signed for is refused, rightly sealed as it is", () => {
    const call = { kind: "exchange" } as const;
    const { header } = opened(sealCall({ to, call, body: Buffer.from("one"), timeMs: 5, own: undefined }).bytes);
    const sent = hpkeTo(to.publicKey, Buffer.from("consilium.v1.sealed-call\0", "latin1"));
    if (sent === undefined) throw new Error("a key to seal to");
    const encapsulated = Buffer.from(sent.encapsulated).toString("hex");
    const bytes = Buffer.from(canonicalJson({ ...header, encapsulated } as never));
    const head = toBinary(SealedHeadSchema, create(SealedHeadSchema, { header: new Uint8Array(bytes) }));
    const length = head.length + TAG_BYTES;
    const id = Buffer.from(to.id, "hex");
    const prefix = Buffer.concat([Uint8Array.of(1), id, sent.encapsulated, Uint8Array.of(length >> 8, length & 255)]);
    const open = opened(Buffer.concat([prefix, sent.context.seal(head, prefix)]));
    const other = sent.context.seal(Buffer.from("two"));
    expect(codeOf(() => open.openBody(other))).toBe("sealing-invalid");
  });

  test("with a head longer than the limit is refused before it is read", () => {
    const prefix = Buffer.alloc(PREFIX_BYTES, 1);
    prefix.writeUInt16BE(LIMITS.sealedHeadBytes + 1, PREFIX_BYTES - 2);
    expect(codeOf(() => readPrefix(prefix))).toBe("sealing-invalid");
    prefix.writeUInt16BE(LIMITS.sealedHeadBytes, PREFIX_BYTES - 2);
    expect(codeOf(() => readPrefix(prefix))).toBe("none");
  });
});

describe("the coordinator's key", () => {
  test("is used for an hour, opens a little longer, and is then gone", () => {
    let nowMs = systemClock.nowMs();
    const clock: Clock = { nowMs: () => nowMs };
    const { authority, coordinator } = federation;
    const own = createSealingKeys(coordinator, authority.certificatePem, clock);
    const first = own.present();
    nowMs += LIMITS.sealingKeyMs;
    expect(own.present().id).toBe(first.id);
    nowMs += 1;
    expect(own.present().id).not.toBe(first.id);
    nowMs += LIMITS.sealingKeyGraceMs - 1;
    expect(own.find(first.id)).toBeDefined();
    nowMs += 1;
    expect(own.find(first.id)).toBeUndefined();
    expect(createSealingKeys(coordinator, authority.certificatePem, clock).find(own.present().id)).toBeUndefined();
  });

  test("is gone once the clock goes back, by which numbers of calls are forgotten", () => {
    let nowMs = systemClock.nowMs();
    const own = createSealingKeys(federation.coordinator, federation.authority.certificatePem, { nowMs: () => nowMs });
    const { id } = own.present();
    nowMs += LIMITS.sealedCallWindowMs + 1;
    expect(own.find(id)).toBeDefined();
    nowMs -= 1;
    expect(own.find(id)).toBeUndefined();
    expect(own.present().id).not.toBe(id);
  });

  test("is believed only as the coordinator's certificate signed it, for the question that was asked", () => {
    const nowMs = systemClock.nowMs();
    const { authority } = federation;
    const stated = stateSealingKey(keys.present(), CHALLENGE, nowMs);
    const believed = { authorityPem: authority.certificatePem };
    const judge = (change: Partial<typeof stated>, challenge = CHALLENGE): string =>
      codeOf(() => believeSealingKey({ ...stated, ...change }, believed, challenge, nowMs));
    expect(judge({})).toBe("none");
    expect(judge({}, "1".repeat(64))).toBe("message-replayed");
    const statement = Uint8Array.from(stated.statement);
    statement[20] ^= 1;
    expect(judge({ statement })).toBe("signature-invalid");
    expect(judge({ signature: new Uint8Array(64) })).toBe("signature-invalid");
    expect(judge({ signature: new Uint8Array() })).toBe("signature-invalid");
    expect(judge({ certificateDer: new Uint8Array(10) })).toBe("certificate-untrusted");
    expect(judge({ certificateDer: stated.authorityDer })).toBe("certificate-untrusted");
  });

  test("is not believed of a site's certificate", async () => {
    const site = await federation.join("upenn");
    const posing = createSealingKeys(site, federation.authority.certificatePem, systemClock).present();
    const nowMs = systemClock.nowMs();
    const stated = stateSealingKey(posing, CHALLENGE, nowMs);
    const believed = { authorityPem: federation.authority.certificatePem };
    expect(codeOf(() => believeSealingKey(stated, believed, CHALLENGE, nowMs))).toBe("signature-invalid");
  });
});

describe("calls that were taken", () => {
  test("are refused again until their time refuses them, and forgotten then", () => {
    let nowMs = 1_000_000;
    const taken = createCallsTaken({ nowMs: () => nowMs });
    const take = (nonce: string, caller = "a", timeMs = nowMs): string =>
      codeOf(() => taken.take(caller, nonce, timeMs));
    expect([take("1"), take("1"), take("1", "b"), take("2")]).toEqual(["none", "message-replayed", "none", "none"]);
    const atMs = nowMs;
    nowMs += LIMITS.sealedCallWindowMs;
    expect(timeOff(atMs, nowMs)).toBeUndefined();
    expect(take("1", "a", atMs)).toBe("message-replayed");
    nowMs += 1;
    expect(timeOff(atMs, nowMs)).toBe(-LIMITS.sealedCallWindowMs - 1);
    expect(timeOff(nowMs + LIMITS.sealedCallWindowMs + 1, nowMs)).toBe(LIMITS.sealedCallWindowMs + 1);
  });

  test("of one caller are remembered up to the limit, and then refused, to that caller alone", () => {
    let nowMs = 1_000_000;
    const taken = createCallsTaken({ nowMs: () => nowMs });
    for (let each = 0; each < LIMITS.sealedCallsRemembered; each++) taken.take("a", String(each), nowMs);
    expect(codeOf(() => taken.take("a", "more", nowMs))).toBe("limit-exceeded");
    expect(codeOf(() => taken.take("b", "more", nowMs))).toBe("none");
    nowMs += LIMITS.sealedCallWindowMs + 1;
    expect(codeOf(() => taken.take("a", "more", nowMs))).toBe("none");
  });
});

describe("a reader of bytes", () => {
  test("gives what was asked for in any cut of the stream, and holds no more than it must", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.uint8Array({ minLength: 1, maxLength: 50 }), { maxLength: 20 }),
        fc.array(fc.integer({ min: 1, max: 60 }), { maxLength: 10 }),
        async (pieces, takes) => {
          const stream = new PassThrough({ highWaterMark: 64 });
          const whole = Buffer.concat(pieces);
          const writing = (async () => {
            for (const piece of pieces) if (!stream.write(piece)) await new Promise((go) => stream.once("drain", go));
            stream.end();
          })();
          const reader = byteReader(stream);
          let at = 0;
          for (const bytes of takes) {
            const got = await reader.take(bytes);
            if (at + bytes > whole.length) expect(got).toBeUndefined();
            else expect(got?.equals(whole.subarray(at, at + bytes))).toBe(true);
            if (got === undefined) break;
            at += bytes;
          }
          reader.drop();
          await writing;
        },
      ),
      { numRuns: 60 },
    );
  });

  test("that waits hears of a stream that breaks", async () => {
    const stream = new PassThrough();
    const reader = byteReader(stream);
    const waiting = reader.take(10);
    stream.write("abc");
    stream.destroy(new Error("gone"));
    expect(await waiting).toBeUndefined();
    expect(await reader.atEnd()).toBe(false);
  });
});
