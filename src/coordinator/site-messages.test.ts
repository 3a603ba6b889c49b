/** Whatever a site says, it becomes an event of plain JSON or a refusal with a code. */
import { create, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ConsiliumError, canonicalJson, type Json, LIMITS } from "../base/index.ts";
import { readSiteMessage, SignedEnvelopeSchema, type SiteMessage, SiteMessageSchema } from "../protocol/index.ts";
import { type ReadMessage, readMessage } from "./site-messages.ts";

const HASH = "ab".repeat(32);
const origin = { siteId: "upenn", studyHash: HASH, atMs: 1000, evidence: { header: "{}", body: "", signature: "" } };

function read(body: Uint8Array): ReadMessage | string {
  try {
    return readMessage(readSiteMessage(create(SignedEnvelopeSchema, { body })), origin);
  } catch (error) {
    if (error instanceof ConsiliumError) return error.code;
    throw error;
  }
}
function readKind(kind: SiteMessage["kind"] | object): ReadMessage | string {
  return read(toBinary(SiteMessageSchema, create(SiteMessageSchema, { kind: kind as SiteMessage["kind"] })));
}

const update = {
  round: 1,
  attempt: 1,
  updateSha256: "c".repeat(64),
  updateBytes: 40n,
  trainingCases: 3,
  gradientSteps: 2,
  clippedCoordinates: 0n,
  meanLoss: 0.5,
  runRecord: new TextEncoder().encode('{"threads":1}'),
};
const region = { region: "WT", diceSum: 1.5, diceCases: 2, hd95Sum: 7, hd95Cases: 2 };
const moments = { patients: 2, squares: 1.25, timesCases: 1.5, casesSquared: 2 };
const evaluation = { round: 1, attempt: 1, modelSha256: "d".repeat(64), cases: 2, regions: [region] };

describe("a message of a site", () => {
  test("that fits becomes an event of plain JSON", () => {
    const read = readKind({ case: "update", value: update });
    expect(read).toMatchObject({ kind: "event", event: { kind: "update-received", update: { bytes: 40 } } });
    expect(canonicalJson((read as unknown as { event: Json }).event)).toContain('"runRecord":"{\\"threads\\":1}"');
    const figures = readKind({ case: "evaluation", value: evaluation });
    expect(figures).toMatchObject({ event: { regions: { WT: { diceSum: 1.5, hd95Cases: 2 } } } });
    const withMoments = { ...evaluation, regions: [{ ...region, diceMoments: moments }] };
    expect(readKind({ case: "evaluation", value: withMoments })).toMatchObject({
      event: { regions: { WT: { diceMoments: { patients: 2, squares: 1.25, timesCases: 1.5, casesSquared: 2 } } } },
    });
  });

  test.each([
    ["a loss that is no number", { meanLoss: Number.NaN }, "update-not-finite"],
    ["an infinite loss", { meanLoss: Number.POSITIVE_INFINITY }, "update-not-finite"],
    ["more cases than a dataset may have", { trainingCases: LIMITS.casesPerDataset + 1 }, "message-invalid"],
    ["a digest that is none", { updateSha256: "../../etc/passwd" }, "message-invalid"],
    ["more bytes than a number holds", { updateBytes: 2n ** 60n }, "message-invalid"],
    [
      "a run record that is not canonical",
      { runRecord: new TextEncoder().encode('{ "threads": 1 }') },
      "message-invalid",
    ],
    ["a run record that is no JSON", { runRecord: new Uint8Array([255, 254]) }, "message-invalid"],
    ["a run record without end", { runRecord: new Uint8Array(LIMITS.runRecordChars + 1).fill(49) }, "message-invalid"],
  ])("with %s is refused", (_what, change, code) => {
    expect(readKind({ case: "update", value: { ...update, ...change } })).toBe(code);
  });

  test.each([
    ["Dice above one", { diceSum: 2.5 }],
    ["negative Dice", { diceSum: -0.1 }],
    ["more cases than were evaluated", { diceCases: 3 }],
    ["a distance that is no number", { hd95Sum: Number.NaN }],
    ["an infinite distance", { hd95Sum: Number.POSITIVE_INFINITY }],
    ["moments of more patients than cases", { diceMoments: { ...moments, patients: 3 } }],
    ["moments below zero", { diceMoments: { ...moments, squares: -1 } }],
    ["moments that are no number", { hd95Moments: { ...moments, timesCases: Number.NaN } }],
    ["moments of more cases than there are", { diceMoments: { ...moments, casesSquared: 5 } }],
  ])("with %s is refused", (_what, change) => {
    const regions = [{ ...region, ...change }];
    expect(readKind({ case: "evaluation", value: { ...evaluation, regions } })).toBe("message-invalid");
  });

  test("with a region twice, a region of an odd name, or too many is read as it is, or refused", () => {
    const twice = { ...evaluation, regions: [region, region] };
    expect(readKind({ case: "evaluation", value: twice })).toBe("message-invalid");
    const odd = readKind({
      case: "evaluation",
      value: { ...evaluation, regions: [{ ...region, region: "__proto__" }] },
    });
    expect(Object.keys((odd as { event: { regions: object } }).event.regions)).toEqual(["__proto__"]);
    expect(({} as { diceSum?: number }).diceSum).toBeUndefined();
    const many = Array.from({ length: 65 }, (_, i) => ({ ...region, region: `r${i}` }));
    expect(readKind({ case: "evaluation", value: { ...evaluation, regions: many } })).toBe("limit-exceeded");
  });

  test("about another study than its envelope says, or in too many words, is refused", () => {
    const approval = { studyHash: HASH, approved: true, reason: "", roster: [] };
    expect(readKind({ case: "approval", value: approval })).toMatchObject({ kind: "event" });
    expect(readKind({ case: "approval", value: { ...approval, studyHash: "e".repeat(64) } })).toBe("message-invalid");
    const reason = "no ".repeat(LIMITS.reasonChars);
    expect(readKind({ case: "approval", value: { ...approval, reason } })).toBe("limit-exceeded");
    expect(readKind({ case: undefined })).toBe("message-invalid");
  });

  test("made of any bytes, or of a good one with some changed, is an event or a refusal", () => {
    const good = toBinary(SiteMessageSchema, create(SiteMessageSchema, { kind: { case: "update", value: update } }));
    const isJudged = (body: Uint8Array): boolean => {
      const judged = read(body);
      if (typeof judged === "string") return judged !== "internal";
      canonicalJson(
        (judged.kind === "event"
          ? judged.event
          : judged.kind === "poll"
            ? judged.report
            : judged.kind) as unknown as Json,
      );
      return true;
    };
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), isJudged), { numRuns: 500 });
    const change = fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(change, (changes) => {
        const body = Uint8Array.from(good);
        for (const [at, value] of changes) body[at % body.length] = value;
        return isJudged(body);
      }),
      { numRuns: 500 },
    );
  });
});
