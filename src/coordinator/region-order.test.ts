/** Regions are told in one order, the largest first: by a coordinator that runs, one that started again, and by sites. */
import { afterEach, expect, test } from "vitest";
import { modelsOf } from "./study-models.ts";
import { newFederation, runToEnd, submitSmall, type TestFederation } from "./testing/federations.ts";
import { aggregated, approvals, evaluation, smallStudy, stateAfter, submitted, update } from "./testing/studies.ts";

let federation: TestFederation | undefined;
afterEach(async () => {
  await federation?.remove();
  federation = undefined;
});

const ORDER = ["WT", "TC", "ET"];

/** Every list of regions in a document, by where it stands. */
function ordersIn(value: unknown, at = ""): [string, readonly string[]][] {
  if (typeof value !== "object" || value === null) return [];
  const keys = Object.keys(value);
  const own: [string, readonly string[]][] = ORDER.every((name) => keys.includes(name)) ? [[at, keys]] : [];
  return [...own, ...Object.entries(value).flatMap(([key, each]) => ordersIn(each, `${at}.${key}`))];
}

test("curves, tables, matrices and models tell regions in the study's order, after a restart too", async () => {
  const own = await newFederation(["tum", "upenn"]);
  federation = own;
  const study = smallStudy({ count: 3, crossSite: "last", evaluateLocal: true });
  await submitSmall(own.coordinator, study);
  await runToEnd(own);
  const told = () => {
    const { coordinator } = own;
    return {
      status: coordinator.status(),
      models: modelsOf(coordinator.state()),
      study: coordinator.state().study?.study,
    };
  };
  const before = ordersIn(told());
  const places = before.map(([at]) => at);
  for (const place of [".study.task.regions", ".bestByRegion", ".matrices.0.rows.0.cells.0.regions", ".dice.regions"]) {
    expect(
      places.some((each) => each.endsWith(place)),
      place,
    ).toBe(true);
  }
  for (const [at, keys] of before) expect(keys, at).toEqual(ORDER);
  await own.reopen();
  expect(ordersIn(told())).toEqual(before);
});

test("the best models of regions have it, where the largest has its first cases later than the others", () => {
  const study = smallStudy({ count: 2 });
  const sums = { diceSum: 0.5, diceCases: 1, hd95Sum: 1, hd95Cases: 1 };
  const none = { diceSum: 0, diceCases: 0, hd95Sum: 0, hd95Cases: 0 };
  const rounds = [none, sums].flatMap((WT, i) => [
    update("tum", i + 1, study),
    aggregated(i + 1, ["tum"]),
    { ...evaluation("tum", i + 1, study, 0.5), regions: { WT, TC: sums, ET: sums } },
  ]);
  const { phase } = stateAfter(...submitted(["tum"], study), ...approvals(["tum"], study), ...rounds);
  expect(phase.kind === "done" && Object.keys(phase.bestByRegion ?? {})).toEqual(ORDER);
});
