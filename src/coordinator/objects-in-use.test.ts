import { expect, test } from "vitest";
import { createRandom } from "../base/index.ts";
import type { Study } from "../study/index.ts";
import type { CoordinatorEvent } from "./events.ts";
import { NOTHING_PRUNED, obsoleteObjects, prunedUpTo } from "./objects-in-use.ts";
import { type CoordinatorState, INITIAL_STATE } from "./state.ts";
import { step } from "./step.ts";
import { aggregated, approvals, evaluation, objectOf, smallStudy, submitted, update } from "./testing/studies.ts";

const SITES = ["tum", "ucsf", "upenn"];
const ROUNDS = 12;

/** One study after another, whose best models come and go. */
function history(studies: readonly Study[]): CoordinatorEvent[] {
  const random = createRandom("figures");
  const [enrolled] = studies.map((study) => submitted(SITES, study));
  const joining = enrolled.filter(({ kind }) => kind !== "study-submitted");
  const told = studies.flatMap((study) => [
    ...submitted(SITES, study).filter(({ kind }) => kind === "study-submitted"),
    ...approvals(SITES, study),
    ...Array.from({ length: ROUNDS }, (_, i) => i + 1).flatMap((round) => [
      ...SITES.map((siteId) => update(siteId, round, study)),
      aggregated(round, SITES),
      ...SITES.map((siteId) => evaluation(siteId, round, study, random.uniform())),
    ]),
  ]);
  return [...joining, ...told];
}

function studyOf(retain: Study["retain"], name: string): Study {
  return smallStudy({ count: ROUNDS }, { retain, name });
}

test.each(["none", "last:1", "last:3", "all"] as const)(
  "whoever goes on from where they stopped removes with `retain: %s` what all rounds together name",
  (retain) => {
    const removed = new Set<string>();
    let [state, pruned, asked]: [CoordinatorState, typeof NOTHING_PRUNED, number] = [INITIAL_STATE, NOTHING_PRUNED, 0];
    for (const event of history([studyOf(retain, "first"), studyOf("none", "second")])) {
      const next = step(state, event);
      expect(next.verdict.outcome).toBe("accepted");
      state = next.state;
      const obsolete = obsoleteObjects(state, pruned);
      for (const object of obsolete) removed.add(object);
      pruned = prunedUpTo(state);
      asked = Math.max(asked, obsolete.size);
      for (const object of obsoleteObjects(state)) expect(removed).toContain(object);
    }
    expect(state.phase.kind).toBe("done");
    // Both studies bring the same objects: what the first keeps, the second must not remove.
    expect(removed.has(objectOf("update of tum for 2").sha256)).toBe(retain !== "all");
    for (const study of [state.past[0].record, state.study]) {
      for (const object of [study?.initial, study?.lastRound?.model]) expect(removed).not.toContain(object?.sha256);
    }
    // Of rounds that were asked for before, models are named again, never all updates.
    expect(asked).toBeLessThan(2 * ROUNDS + 3 * SITES.length);
  },
);
