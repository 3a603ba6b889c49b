import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { ConsiliumError } from "../src/base/index.ts";
import {
  areAlternatives,
  CHOICES,
  type ChoiceName,
  checkStudyConsistency,
  exclusionBetween,
  NEEDS,
  needAgainst,
  parseStudy,
  type Study,
} from "../src/study/index.ts";
import { CHOICE_NAMES, COMBINATIONS_PAGE, combinationsPage } from "./combinations-page.ts";

const PLAIN = parseStudy({
  schema: "consilium.study/1",
  name: "Plain",
  network: { kind: "unet3d", levels: 2, baseFeatures: 2 },
  training: { optimiser: { kind: "sgd", learningRate: 0.01 }, patch: [8, 8, 8], stepsPerRound: 1 },
  rounds: { count: 1 },
});

/** The path of the one key that is refused, if any is. */
function refusedPath(study: Study): string | undefined {
  try {
    checkStudyConsistency(study, { sites: 3 });
    return undefined;
  } catch (error) {
    expect(error).toBeInstanceOf(ConsiliumError);
    return (error as ConsiliumError).subject.replace("study, ", "");
  }
}

/** A study that makes a choice, and what the choice needs. */
function make(name: ChoiceName, study: Study): Study {
  const needed = NEEDS.filter(({ choice }) => choice === name).map(({ needs }) => needs);
  return CHOICES[name].make(needed.reduce((made, needs) => make(needs, made), study));
}

test("docs/COMBINATIONS.md is what the table says: `npx tsx scripts/combinations-page.ts` writes it", () => {
  expect(readFileSync(COMBINATIONS_PAGE, "utf8")).toBe(combinationsPage());
});

test("every choice can be made by itself, with what it needs and not without", () => {
  for (const { choice, needs: unmet, path } of NEEDS) {
    const others = NEEDS.filter((need) => need.choice === choice && need.needs !== unmet);
    const without = unmet === "weightByCases" ? CHOICES.weightEqual.make(PLAIN) : PLAIN;
    const study = others.reduce((made, { needs }) => make(needs, made), without);
    expect([choice, unmet, refusedPath(CHOICES[choice].make(study))]).toEqual([choice, unmet, path]);
  }
  for (const name of CHOICE_NAMES) {
    const study = make(name, PLAIN);
    expect([name, CHOICES[name].isMade(study), refusedPath(study)]).toEqual([name, true, undefined]);
  }
});

test("every pair is refused, for the reason named, or goes together, as the page says", () => {
  let refused = 0;
  for (const a of CHOICE_NAMES) {
    for (const b of CHOICE_NAMES) {
      if (a === b || areAlternatives(a, b) || needAgainst(a, b) !== undefined) continue;
      const study = make(b, make(a, PLAIN));
      expect([a, b, CHOICES[a].isMade(study), CHOICES[b].isMade(study)]).toEqual([a, b, true, true]);
      expect([a, b, refusedPath(study)]).toEqual([a, b, exclusionBetween(a, b)?.path]);
      if (refusedPath(study) !== undefined) refused++;
    }
  }
  expect(refused).toBeGreaterThanOrEqual(6);
});

test("choices of one key are alternatives: the second unmakes the first", () => {
  for (const a of CHOICE_NAMES) {
    for (const b of CHOICE_NAMES) {
      if (a === b || !areAlternatives(a, b)) continue;
      expect(CHOICES[a].isMade(CHOICES[b].make(CHOICES[a].make(PLAIN)))).toBe(false);
    }
  }
});
