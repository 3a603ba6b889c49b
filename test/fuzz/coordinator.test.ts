/**
 * What a site that does not follow the protocol may send to a coordinator: damaged envelopes, signed nonsense, messages
 * of the right shape with absurd members, enrolments, pieces of objects. Nothing ends the process or shows up as a defect,
 * every refusal has a code, no answer grows with what was sent, and the others' study comes to the model that it comes to
 * without all that.
 */
import { createPrivateKey } from "node:crypto";
import { create, type DescField, type DescMessage, type MessageShape, ScalarType, toBinary } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ConsiliumError, createRandom, LIMITS, type Random } from "../../src/base/index.ts";
import { verifyHome } from "../../src/coordinator/index.ts";
import { act, type FakeSite, memoryLinkOf, poll, seal } from "../../src/coordinator/testing/fake-site.ts";
import {
  newFederation,
  runToEnd,
  submitSmall,
  type TestFederation,
} from "../../src/coordinator/testing/federations.ts";
import { readCertificate } from "../../src/protocol/certificates.ts";
import { sealEnvelope } from "../../src/protocol/envelope.ts";
import {
  EnrolRequestSchema,
  openAnswer,
  type SignedEnvelope,
  SignedEnvelopeSchema,
  SiteMessageSchema,
} from "../../src/protocol/index.ts";
import {
  FUZZ_RUNS,
  FUZZ_SEED,
  mutated,
  pick,
  randomBytes,
  randomDouble,
  randomText,
  randomUint32,
  randomUint64,
} from "./mutations.ts";

const SITES = ["honest", "liar", "other"];
const ANSWER_BYTES = 64 * 1024;

let federation: TestFederation;
let liar: FakeSite;
const defects: unknown[] = [];
let undisturbed: string | undefined;

beforeAll(async () => {
  const calm = await newFederation(SITES);
  await submitSmall(calm.coordinator);
  await runToEnd(calm);
  undisturbed = calm.coordinator.result()?.finalModel?.sha256;
  await calm.remove();
  federation = await newFederation(SITES);
  federation.coordinator.onNews((news) => {
    if (news.kind === "trouble") defects.push(news.error);
  });
  await submitSmall(federation.coordinator);
  for (const site of federation.sites) await act(site);
  liar = federation.sites[1];
});
afterAll(() => federation.remove());

/** The code of a refusal; anything but a ConsiliumError, and a defect of this end, fails the test with its seed. */
async function codeOf(what: string, call: () => Promise<unknown>): Promise<string> {
  try {
    await call();
    return "taken";
  } catch (error) {
    if (error instanceof ConsiliumError && error.code !== "internal") return error.code;
    throw new Error(`${what}: no refusal but ${String(error)}`, { cause: error });
  }
}

/** Sends an envelope as the liar; an answer is verified, and its verdict's code returned. */
async function send(what: string, envelope: SignedEnvelope): Promise<string> {
  let verdict = "";
  const code = await codeOf(what, async () => {
    const reply = await liar.link.exchange(envelope);
    expect(toBinary(SignedEnvelopeSchema, reply).length, what).toBeLessThan(ANSWER_BYTES);
    const { authorityPem } = liar.enrolment;
    const { answer } = openAnswer(reply, { request: envelope, authorityPem, nowMs: Date.now() });
    const { outcome = "", code: refused = "" } = answer.verdict ?? {};
    if (outcome !== "accepted") expect(refused, what).not.toBe("");
    expect(["accepted", "rejected", "discarded"], what).toContain(outcome);
    verdict = outcome === "accepted" ? "taken" : refused;
  });
  return code === "taken" ? verdict : code;
}

async function stateIsWhole(): Promise<void> {
  expect(defects).toEqual([]);
  const said = await poll(federation.sites[0]);
  expect(said.verdict.outcome).toBe("accepted");
}

function history(what: string, run: (random: Random, name: string) => Promise<string>): () => Promise<Set<string>> {
  return async () => {
    const codes = new Set<string>();
    for (let i = 0; i < FUZZ_RUNS; i++) {
      const name = `${what}, CONSILIUM_FUZZ_SEED=${FUZZ_SEED}, input ${i}`;
      codes.add(await run(createRandom(FUZZ_SEED, what, i), name));
    }
    return codes;
  };
}

/** A message whose members are drawn: right in shape, absurd in content. */
function randomMessage<D extends DescMessage>(random: Random, schema: D, depth = 0): MessageShape<D> {
  const message = create(schema) as unknown as Record<string, unknown>;
  for (const oneof of schema.oneofs) {
    const field = pick(random, oneof.fields);
    message[oneof.localName] = { case: field.localName, value: randomMember(random, field, depth) };
  }
  for (const field of schema.fields) {
    if (field.oneof !== undefined || random.chance(0.2)) continue;
    message[field.localName] = randomMember(random, field, depth);
  }
  return message as unknown as MessageShape<D>;
}

function randomMember(random: Random, field: DescField, depth: number): unknown {
  if (field.fieldKind === "message") return randomMessage(random, field.message, depth + 1);
  if (field.fieldKind === "list") {
    const length = random.chance(0.05) ? 2000 : random.integer(4);
    return Array.from({ length: depth > 2 ? 0 : length }, () =>
      field.listKind === "message"
        ? randomMessage(random, field.message, depth + 1)
        : randomScalar(random, field.listKind === "scalar" ? field.scalar : ScalarType.STRING),
    );
  }
  return randomScalar(random, field.fieldKind === "scalar" ? field.scalar : ScalarType.STRING);
}

function randomScalar(random: Random, type: ScalarType): unknown {
  switch (type) {
    case ScalarType.STRING:
      return Buffer.from(randomText(random), "utf8").toString("utf8");
    case ScalarType.BYTES:
      return random.chance(0.5) ? new TextEncoder().encode(randomText(random)) : randomBytes(random, 64);
    case ScalarType.BOOL:
      return random.chance(0.5);
    case ScalarType.DOUBLE:
      return randomDouble(random);
    case ScalarType.INT64:
      return random.chance(0.5) ? -1n : randomUint64(random) % 2n ** 63n;
    case ScalarType.UINT64:
      return randomUint64(random);
    default:
      return randomUint32(random);
  }
}

describe("a coordinator and a site that does not follow the protocol", () => {
  test(
    "damaged envelopes are refused, and what was signed is all that is taken",
    async () => {
      const codes = await history("envelope", async (random, name) => {
        const whole = seal(liar, { case: "poll", value: { productVersion: "0.1.0", activity: "idle" } });
        const part = pick(random, ["header", "body", "signature"] as const);
        const damaged = { ...whole, [part]: mutated(random, whole[part]) };
        const same = Buffer.compare(damaged[part], whole[part]) === 0;
        const code = await send(name, damaged);
        if (!same) expect(code, name).not.toBe("taken");
        return code;
      })();
      expect([...codes]).toEqual(expect.arrayContaining(["message-invalid", "signature-invalid"]));
      await stateIsWhole();
    },
    120_000 + 500 * FUZZ_RUNS,
  );

  test(
    "bodies of random bytes, and damaged bodies, under a signature that holds",
    async () => {
      const codes = await history("body", async (random, name) => {
        const about = { studyHash: "", round: randomUint32(random), attempt: 0, timeMs: Date.now() } as const;
        const signed = sealEnvelope({
          ...about,
          sender: "liar",
          sequence: ++liar.sequence,
          privateKey: createPrivateKey(liar.keyPem),
          body: random.chance(0.5) ? randomBytes(random, 400) : mutated(random, validBody()),
        });
        return send(name, signed);
      })();
      expect([...codes]).toContain("message-invalid");
      await stateIsWhole();
    },
    120_000 + 500 * FUZZ_RUNS,
  );

  test(
    "messages of the right shape with absurd members",
    async () => {
      const codes = await history("message", async (random, name) => {
        const { kind } = randomMessage(random, SiteMessageSchema);
        const { study } = federation.coordinator.state();
        const studyHash = random.chance(0.7) ? (study?.hash ?? "") : "";
        // A refusal that it means would only take the liar out of the study.
        if (kind.case === "approval") kind.value.studyHash = random.chance(0.5) ? studyHash : kind.value.studyHash;
        const round = random.chance(0.7) ? 1 : randomUint32(random);
        return send(name, seal(liar, kind as never, { studyHash, round, attempt: 1 }));
      })();
      expect([...codes]).toEqual(expect.arrayContaining(["message-invalid", "limit-exceeded"]));
      await stateIsWhole();
    },
    120_000 + 500 * FUZZ_RUNS,
  );

  test(
    "enrolments that nobody was invited to",
    async () => {
      const { service } = federation.coordinator;
      const codes = await history("enrolment", async (random, name) => {
        return codeOf(name, () => service.enrol(randomMessage(random, EnrolRequestSchema)));
      })();
      expect(codes.has("taken")).toBe(false);
      expect(Object.keys(federation.coordinator.state().sites).sort()).toEqual(SITES);
      await stateIsWhole();
    },
    120_000 + 500 * FUZZ_RUNS,
  );

  test(
    "pieces of objects that do not fit, from nowhere, of any length",
    async () => {
      const { keySha256 } = readCertificate(liar.enrolment.certificatePem);
      const peer = { siteId: "liar", keySha256 };
      const { service } = federation.coordinator;
      const codes = await history("piece", async (random, name) => {
        const sha256 = pick(random, ["0".repeat(64), "f".repeat(64), "", "../../../etc/passwd", randomText(random)]);
        const offset = pick(random, [0, 1, 39, 40, 41, -1, 0.5, 2 ** 53, Number.NaN]);
        const totalBytes = pick(random, [40, 0, 41, -1, 2 ** 40, Number.NaN]);
        const bytes = random.chance(0.05) ? new Uint8Array(LIMITS.chunkBytes) : randomBytes(random, 80);
        return codeOf(name, () =>
          pick(random, [
            () => service.writeObject(peer, { sha256, offset, totalBytes, bytes }),
            () => service.readObject(peer, { sha256, offset, bytes: pick(random, [0, 1, -1, 2 ** 40, Number.NaN]) }),
            () => service.heldBytes(peer, { sha256, totalBytes }),
          ])(),
        );
      })();
      expect([...codes]).toEqual(expect.arrayContaining(["object-refused", "update-shape"]));
      await stateIsWhole();
    },
    120_000 + 500 * FUZZ_RUNS,
  );

  test(
    "the study of the others, and of the liar once it behaves, comes to the model that it comes to without all that",
    async () => {
      liar.link = memoryLinkOf(federation.coordinator, liar);
      await runToEnd(federation);
      expect(federation.coordinator.result()?.finalModel?.sha256).toBe(undisturbed);
      await federation.coordinator.close();
      await expect(verifyHome(federation.home)).resolves.toBeDefined();
    },
    120_000 + 500 * FUZZ_RUNS,
  );
});

function validBody(): Uint8Array {
  const value = { round: 1, attempt: 1, modelSha256: "a".repeat(64), cases: 3, regions: [] };
  return toBinary(SiteMessageSchema, create(SiteMessageSchema, { kind: { case: "evaluation", value } }));
}
