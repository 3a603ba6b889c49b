/** What browsers may say of a registration, and what they are told of a replay. */
import { describe, expect, test } from "vitest";
import { LIMITS } from "../base/index.ts";
import type { ReplayedRound } from "../coordinator/index.ts";
import { registrationOf } from "./register-order.ts";
import { replayTold } from "./works.ts";

const ASKED = { labels: "", mayMiss: [], excludeBroken: false, counts: "" };

describe("a registration that is asked for", () => {
  test("is an order of known words", () => {
    expect(registrationOf(ASKED)).toEqual({ labels: null, mayMiss: [], excludeBroken: false, counts: "as before" });
    const all = { labels: "brats2024", mayMiss: ["t2", "t1", "t2"], excludeBroken: true, counts: "private" };
    expect(registrationOf(all)).toEqual({ ...all, mayMiss: ["t2", "t1"] });
  });

  test.each([
    ["labels", { labels: "--seed=3" }],
    ["scan", { mayMiss: ["t1", "seg"] }],
    ["counts", { counts: "--json" }],
  ])("is refused for another word of %s", (subject, other) => {
    expect(() => registrationOf({ ...ASKED, ...other })).toThrow(`[message-invalid] ${subject}`);
  });
});

test("of a replay a browser is told what differs first, then the latest, and how many there are in all", () => {
  const total = LIMITS.consoleReplayRounds + 5;
  const rounds = Array.from({ length: total }, (_, i): ReplayedRound => {
    const outcome = i === 2 ? "different" : i < 4 ? "unchecked" : "equal";
    return { study: "s", studyHash: "0".repeat(64), round: i + 1, modelSha256: "1".repeat(64), outcome, why: "" };
  });
  const told = replayTold({ records: 9, rounds });
  expect(told).toMatchObject({ records: 9, total, equal: total - 4, different: 1, unchecked: 3 });
  expect(told.rounds).toHaveLength(LIMITS.consoleReplayRounds);
  expect(told.rounds.slice(0, 2).map(({ round }) => round)).toEqual([3, total]);
});
