/**
 * What may reach a site in the coordinator's place: damaged answers, and another coordinator's. Each is refused with a
 * code before anything of it is believed.
 */
import { createPrivateKey } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ConsiliumError, createRandom } from "../../src/base/index.ts";
import { type FakeSite, seal } from "../../src/coordinator/testing/fake-site.ts";
import { newFederation, type TestFederation } from "../../src/coordinator/testing/federations.ts";
import { sealEnvelope } from "../../src/protocol/envelope.ts";
import { openAnswer, type SignedEnvelope } from "../../src/protocol/index.ts";
import { FUZZ_RUNS, FUZZ_SEED, mutated, pick, randomBytes } from "./mutations.ts";

let federation: TestFederation;
let site: FakeSite;
let request: SignedEnvelope;
let reply: SignedEnvelope;
beforeAll(async () => {
  federation = await newFederation(["upenn"]);
  [site] = federation.sites;
  request = seal(site, { case: "poll", value: { productVersion: "0.1.0", activity: "idle" } });
  reply = await site.link.exchange(request);
});
afterAll(() => federation.remove());

function codeOf(name: string, envelope: SignedEnvelope): string {
  const { authorityPem } = site.enrolment;
  try {
    openAnswer(envelope, { request, authorityPem, nowMs: Date.now() });
    return "believed";
  } catch (error) {
    if (error instanceof ConsiliumError && error.code !== "internal") return error.code;
    throw new Error(`${name}: no refusal but ${String(error)}`, { cause: error });
  }
}

test("the answer as it came is believed (positive control)", () => {
  expect(codeOf("whole", reply)).toBe("believed");
});

test("damaged answers are refused, whatever part it is", () => {
  const codes = new Set<string>();
  for (let i = 0; i < FUZZ_RUNS; i++) {
    const random = createRandom(FUZZ_SEED, "answer", i);
    const part = pick(random, ["header", "body", "signature", "certificateDer"] as const);
    const bytes = random.chance(0.2) ? randomBytes(random, 2000) : mutated(random, reply[part]);
    if (Buffer.compare(bytes, reply[part]) === 0) continue;
    const name = `answer, CONSILIUM_FUZZ_SEED=${FUZZ_SEED}, input ${i}`;
    const code = codeOf(name, { ...reply, [part]: bytes });
    expect(code, name).not.toBe("believed");
    codes.add(code);
  }
  expect([...codes]).toEqual(expect.arrayContaining(["certificate-untrusted", "message-invalid", "signature-invalid"]));
});

test("a member of the federation cannot answer in the coordinator's place", () => {
  const forged = sealEnvelope({
    sender: "coordinator",
    studyHash: "",
    round: 0,
    attempt: 0,
    sequence: site.sequence,
    timeMs: Date.now(),
    privateKey: createPrivateKey(site.keyPem),
    body: reply.body,
    certificateDer: reply.certificateDer,
  });
  expect(codeOf("forged", forged)).toBe("signature-invalid");
});
