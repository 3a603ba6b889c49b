import { expect, test } from "vitest";
import { mutateGradientRules } from "./mutate-gradient-rules.ts";

test("no gradient rule can be broken unnoticed", async () => {
  const { mutants, survivors } = await mutateGradientRules();
  expect(mutants).toBeGreaterThan(400);
  expect(survivors).toEqual([]);
});
