import { describe, expect, test } from "vitest";
import { studySchema } from "../study/index.ts";
import { failureModesOf } from "./failure-modes.ts";
import { type CardFacts, cardFigures, cardFiguresOfMeans, siteCardFigures } from "./model-card.ts";

const study = studySchema.parse({
  schema: "consilium.study/1",
  name: "Fails",
  network: { kind: "unet3d", levels: 2, baseFeatures: 2 },
  training: { optimiser: { kind: "sgd", learningRate: 0.1 }, patch: [8, 8, 8], stepsPerRound: 1 },
  rounds: { count: 1 },
});
const REGIONS = ["WT", "TC", "ET"];
const GOOD = { dice: 0.9, hd95: 2, sensitivity: 0.9, specificity: 1 };
type Score = Partial<Record<"dice" | "hd95", number | null>>;
const cases = (count: number, et: (i: number) => Score) =>
  Array.from({ length: count }, (_, i) => ({
    subject: `s${i}`,
    regions: { WT: GOOD, TC: GOOD, ET: { ...GOOD, ...et(i) } },
  }));
const site = (id: string, et: Score) => ({
  id,
  training: 9,
  validation: 3,
  figures: siteCardFigures(
    cases(3, () => et),
    REGIONS,
  ),
});
const good = (): Score => ({});

function modes(figures: CardFacts["evaluation"]["figures"], sites: CardFacts["sites"] = []): string[] {
  return failureModesOf(study, { sites, evaluation: { figures } });
}

describe("known failure modes", () => {
  const STOCK = 3;

  test("are the limits of the input alone where every figure is good (control)", () => {
    const sites = [site("a", {}), site("b", { dice: 0.8 })];
    expect(modes(cardFigures(cases(20, good), REGIONS), sites)).toHaveLength(STOCK);
  });

  test("name a site where a region was never found, with what the others have", () => {
    const sites = [site("a", {}), site("b", { dice: 0, hd95: null }), site("c", { dice: 0.7 })];
    expect(modes(cardFigures(cases(20, good), REGIONS), sites)[0]).toBe(
      "ET was never found at b: mean Dice 0 over 3 case(s); in the mean of the other sites it is 0.800.",
    );
  });

  test("name a site far below the others", () => {
    const sites = [site("a", {}), site("b", { dice: 0.7 })];
    expect(modes(cardFigures(cases(20, good), REGIONS), sites)[0]).toBe(
      "ET is drawn much worse at b: mean Dice 0.700 over 3 case(s); at a it is 0.900.",
    );
  });

  test("tell a worst tenth that is poor under a mean that is not", () => {
    const figures = cardFigures(
      cases(20, (i) => ({ dice: i < 2 ? 0.1 : 0.9 })),
      REGIONS,
    );
    expect(modes(figures)[0]).toBe(
      "ET is drawn poorly in the worst tenth of the cases: mean Dice 0.100 there, 0.820 over all.",
    );
  });

  test("tell a poor mean, from means alone as well", () => {
    const none = { hd95: null, diceInterval: null, hd95Interval: null };
    const regions = { WT: { ...none, dice: 0.9 }, TC: { ...none, dice: 0.9 }, ET: { ...none, dice: 0.31 } };
    const told = modes(cardFiguresOfMeans({ cases: 9, regions }));
    expect(told).toHaveLength(STOCK + 1);
    expect(told[0]).toBe("ET is drawn poorly: its mean Dice is 0.310, below 0.5.");
  });

  test("tell how often HD95 has no value, beyond one case in ten", () => {
    const without = (count: number) =>
      cardFigures(
        cases(20, (i) => (i < count ? { hd95: null } : {})),
        REGIONS,
      );
    expect(modes(without(2))).toHaveLength(STOCK);
    expect(modes(without(3))[0]).toMatch(/^HD95 of ET has no value in 3 of 20 measured case/);
  });
});
