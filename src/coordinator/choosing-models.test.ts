/** Which model a study ends with, when it ends early, and what sites that only evaluate have to do with either. */

import { describe, expect, test } from "vitest";
import { directiveFor } from "./directive.ts";
import type { CoordinatorEvent, EvaluationReceived } from "./events.ts";
import { obsoleteObjects, readableObjects } from "./objects-in-use.ts";
import { roundsOf } from "./settled-rounds.ts";
import { type CoordinatorState, quorumOf } from "./state.ts";
import { step } from "./step.ts";
import {
  aggregated,
  approval,
  approvals,
  evaluation,
  objectOf,
  smallStudy,
  stateAfter,
  submitted,
  update,
} from "./testing/studies.ts";

const SITES = ["tum", "ucsf", "upenn"];
type Dice = Readonly<Record<string, number>>;

function scores(siteId: string, round: number, study: ReturnType<typeof smallStudy>, dice: Dice): EvaluationReceived {
  const sums = (diceSum: number) => ({ diceSum, diceCases: 1, hd95Sum: 1, hd95Cases: 1 });
  const regions = Object.fromEntries(Object.entries(dice).map(([region, value]) => [region, sums(value)]));
  return { ...evaluation(siteId, round, study, 0.5), regions };
}

function refusal(state: CoordinatorState, event: CoordinatorEvent): string {
  const { verdict, state: next } = step(state, event);
  expect(next).toBe(state);
  return verdict.outcome === "accepted" ? "accepted" : `${verdict.outcome} ${verdict.error.code}`;
}

describe("the best models", () => {
  const study = smallStudy({ count: 4 }, { retain: "none" });
  const byRound: readonly Dice[] = [
    { WT: 0.5, TC: 0.9, ET: 0.2 },
    { WT: 0.8, TC: 0.7, ET: 0.3 },
    { WT: 0.8, TC: 0.6, ET: 0.6 },
    { WT: 0.1, TC: 0.1, ET: 0.1 },
  ];
  const rounds = byRound.flatMap((dice, i) => [
    ...SITES.map((siteId) => update(siteId, i + 1, study)),
    aggregated(i + 1, SITES),
    ...SITES.map((siteId) => scores(siteId, i + 1, study, dice)),
  ]);
  const ended = stateAfter(...submitted(SITES, study), ...approvals(SITES, study), ...rounds);

  test("are one of all regions together and one of each, the earliest of equals", () => {
    expect(ended.phase).toMatchObject({
      kind: "done",
      finalRound: 4,
      bestRound: 3,
      bestByRegion: {
        WT: { round: 2, dice: expect.closeTo(0.8, 12), model: objectOf("model 2") },
        TC: { round: 1, dice: expect.closeTo(0.9, 12), model: objectOf("model 1") },
        ET: { round: 3, dice: expect.closeTo(0.6, 12) },
      },
    });
    expect(ended.phase).not.toHaveProperty("early");
  });

  test("are kept, may be fetched, and are told to the sites", () => {
    const models = [1, 2, 3, 4].map((round) => objectOf(`model ${round}`).sha256);
    for (const model of models) {
      expect(obsoleteObjects(ended).has(model)).toBe(false);
      expect(readableObjects(ended, SITES[0]).has(model)).toBe(true);
    }
    // Before a better one came, the model of round 1 was not the best of ET (positive control): round 2's is let go.
    const worse = byRound.map((dice, i) => (i === 1 ? { WT: 0.1, TC: 0.1, ET: 0.1 } : dice));
    const others = worse.flatMap((dice, i) => [
      ...SITES.map((siteId) => update(siteId, i + 1, study)),
      aggregated(i + 1, SITES),
      ...SITES.map((siteId) => scores(siteId, i + 1, study, dice)),
    ]);
    const without = stateAfter(...submitted(SITES, study), ...approvals(SITES, study), ...others);
    expect(obsoleteObjects(without).has(models[1])).toBe(true);
    expect(directiveFor(ended, "tum", 100).kind).toMatchObject({
      case: "done",
      value: {
        byRegion: expect.arrayContaining([
          expect.objectContaining({ region: "TC", round: 1, sha256: models[0], bytes: 40n }),
        ]),
      },
    });
  });
});

describe("early stopping", () => {
  const run = (dice: readonly (number | null)[], stopEarly = { patience: 2, gain: 0.01 }): CoordinatorState => {
    const study = smallStudy({ count: 6, stopEarly });
    const rounds = dice.flatMap((each, i) => [
      ...SITES.map((siteId) => update(siteId, i + 1, study)),
      aggregated(i + 1, SITES),
      ...SITES.map((siteId) => evaluation(siteId, i + 1, study, each)),
    ]);
    return stateAfter(...submitted(SITES, study), ...approvals(SITES, study), ...rounds);
  };

  test("ends the study after so many evaluations without the gain, with the best model so far", () => {
    expect(run([0.5, 0.505, 0.509]).phase).toMatchObject({
      kind: "done",
      finalRound: 3,
      bestRound: 3,
      early: "no gain of more than 0.01 in 2 evaluation(s) since round 1",
    });
    expect(run([0.5, 0.4, 0.6, 0.5, 0.5]).phase).toMatchObject({ kind: "done", finalRound: 5, bestRound: 3 });
  });

  test("lets a study go on that gains, and does not count rounds without figures", () => {
    expect(run([0.5, 0.505, 0.52, 0.5]).phase).toMatchObject({ kind: "collecting", round: 5 });
    expect(run([0.5, null, null, null]).phase).toMatchObject({ kind: "collecting", round: 5 });
  });
});

describe("a site that only evaluates", () => {
  const study = { ...smallStudy({ count: 2 }), evaluateOnly: ["upenn"] };
  const begun = [...submitted(SITES, study), ...approvals(SITES, study)];
  const trained = [update("tum", 1, study), update("ucsf", 1, study)];

  test("is not waited for in training, sends no update, and is not counted as left out", () => {
    const state = stateAfter(...begun);
    expect(quorumOf(state.study as never)).toBe(2);
    expect(directiveFor(state, "upenn", 100).kind).toMatchObject({ case: "wait", value: { reason: /only evaluates/ } });
    expect(refusal(state, update("upenn", 1, study))).toBe("rejected update-wrong-round");
    expect(stateAfter(...begun, ...trained).phase).toMatchObject({ kind: "aggregating", leftOut: [] });
  });

  test("measures the model, and chooses none", () => {
    const model = aggregated(1, ["tum", "ucsf"]);
    const one = stateAfter(...begun, ...trained, model);
    expect(directiveFor(one, "upenn", 100).kind).toMatchObject({ case: "evaluate" });
    const figures = [evaluation("tum", 1, study, 0.5), evaluation("ucsf", 1, study, 0.7)];
    const after = stateAfter(...begun, ...trained, model, ...figures, evaluation("upenn", 1, study, 0.1));
    expect(roundsOf(after.study)[0].evaluation).toMatchObject({
      meanDice: expect.closeTo(0.6, 12),
      outOfSample: { sites: ["upenn"], meanDice: expect.closeTo(0.1, 12) },
    });
    expect(after.phase).toMatchObject({ kind: "collecting", round: 2 });
  });

  test("may be revoked or refuse without ending the study, which a site that trains may not", () => {
    const revoked: CoordinatorEvent = { kind: "site-revoked", siteId: "upenn", reason: "gone", atMs: 25 };
    expect(stateAfter(...begun, revoked).phase.kind).toBe("collecting");
    expect(stateAfter(...begun, { ...revoked, siteId: "tum" }).phase.kind).toBe("failed");
    const offered = submitted(SITES, study);
    const refused = approval("upenn", SITES, study, false);
    const two = ["tum", "ucsf"].map((siteId) => approval(siteId, SITES, study));
    expect(stateAfter(...offered, refused, ...two).phase.kind).toBe("collecting");
  });

  test("must be on the roster, and leave somebody who trains", () => {
    const elsewhere = submitted(SITES, { ...study, evaluateOnly: ["mayo"] });
    const before = stateAfter(...elsewhere.slice(0, -1));
    expect(refusal(before, elsewhere[elsewhere.length - 1])).toBe("rejected site-unknown");
    const all = submitted(SITES, { ...study, evaluateOnly: SITES });
    expect(refusal(before, all[all.length - 1])).toBe("rejected quorum-not-reached");
  });
});

describe("scores of a site's own model", () => {
  const sums = { diceSum: 1, diceCases: 2, hd95Sum: 3, hd95Cases: 2 };
  const local = { cases: 2, before: { WT: sums }, after: { WT: { ...sums, diceSum: 1.5 } } };
  const asking = smallStudy({ evaluateLocal: true });
  const silent = smallStudy();

  test("stand in the round's record where the study asks for them", () => {
    const begun = [...submitted(SITES, asking), ...approvals(SITES, asking)];
    const state = stateAfter(...begun, update("tum", 1, asking, { local }));
    expect(state.phase).toMatchObject({ updates: { tum: { local } } });
    const strange = { ...local, after: { spine: sums } };
    expect(refusal(stateAfter(...begun), update("tum", 1, asking, { local: strange }))).toBe(
      "rejected message-invalid",
    );
  });

  test("are refused where it does not", () => {
    const begun = stateAfter(...submitted(SITES, silent), ...approvals(SITES, silent));
    expect(refusal(begun, update("tum", 1, silent, { local }))).toBe("rejected message-invalid");
  });
});
