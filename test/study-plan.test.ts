/** A study in words: the same from the coordinator that runs and from its journal, with what changed since the one before. */
import { afterEach, beforeEach, expect, test } from "vitest";
import { checkedPlan, submittedPlan } from "../src/console/index.ts";
import { withState } from "../src/coordinator/index.ts";
import { newFederation, runToEnd, submitSmall, type TestFederation } from "../src/coordinator/testing/federations.ts";
import { smallStudy } from "../src/coordinator/testing/studies.ts";
import { parseStudy } from "../src/study/index.ts";

let federation: TestFederation;
beforeEach(async () => {
  federation = await newFederation(["tum"]);
});
afterEach(() => federation.remove());

test("the plan of the study underway, beside the one before it", async () => {
  const { coordinator, home } = federation;
  expect(await withState(home, async ({ state }) => submittedPlan(state()))).toBeNull();
  await submitSmall(coordinator, smallStudy({}, { name: "First" }));
  await runToEnd(federation);
  expect(submittedPlan(coordinator.state())?.before).toBeNull();
  const second = smallStudy({ count: 3 }, { name: "Second" });
  const changes = [
    { path: "name", before: '"First"', after: '"Second"' },
    { path: "rounds.count", before: "2", after: "3" },
  ];
  expect(checkedPlan(coordinator.state(), second).before).toEqual({ name: "First", changes });
  await submitSmall(coordinator, second);
  const plan = submittedPlan(coordinator.state());
  expect(plan).toMatchObject({ before: { name: "First", changes }, parameterCount: 10 });
  expect(await withState(home, async ({ state }) => submittedPlan(state()))).toEqual(plan);
});

test("noise for sites is told with what it amounts to, as the commands tell it", () => {
  const { privacy: _, ...plain } = smallStudy({ count: 5 });
  const study = parseStudy({
    ...plain,
    aggregation: { ...plain.aggregation, weightBy: "equal" },
    privacy: { siteLevel: { clipNorm: 1, noiseMultiplier: 8, delta: 1e-5 }, secureAggregation: { threshold: 2 } },
  });
  expect(checkedPlan(federation.coordinator.state(), study).text).toMatch(/epsilon \d/);
});
