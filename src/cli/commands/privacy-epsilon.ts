/** `consilium privacy epsilon`: what a way of training with noise would cost, before anybody trains. */
import { ACCOUNTANTS, type Accountant } from "../../privacy/index.ts";
import { defineCommand } from "../command.ts";
import { option } from "../options.ts";

export const privacyEpsilon = defineCommand({
  path: ["privacy", "epsilon"],
  summary: "Say what epsilon a number of noisy steps amounts to",
  description:
    "Gaussian noise on sums clipped to a norm, each patient taking part in a step by chance (Poisson sampling), " +
    "neighbours by adding or removing one. This is arithmetic alone; `consilium site ledger` says what was really spent.",
  options: {
    noiseMultiplier: option.requiredNumber("X", "standard deviation of the noise over the clipping norm", {
      min: 0.01,
      max: 1e6,
    }),
    samplingRate: option.numberOr("Q", "chance that one patient takes part in a step", 1, { min: 1e-9, max: 1 }),
    steps: option.integerOr("noisy steps", 1, { min: 1 }),
    delta: option.requiredNumber("D", "chance that the guarantee fails, well below one over the number of patients", {
      min: 1e-30,
      max: 0.5,
    }),
    accountant: option.oneOf("way of accounting: rdp (default) or pld, which is tighter and slower", ACCOUNTANTS),
  },
  examples: [
    "consilium privacy epsilon --noise-multiplier 1.1 --sampling-rate 0.01 --steps 10000 --delta 1e-5",
    "consilium privacy epsilon --noise-multiplier 2 --delta 1e-6 --accountant pld --json",
  ],
  async run({ options }) {
    const { privacySpent } = await import("../../privacy/index.ts");
    const { noiseMultiplier, samplingRate, steps, delta } = options;
    const accountant: Accountant = options.accountant ?? "rdp";
    const gaussian = { kind: "gaussian", noiseMultiplier } as const;
    const step = samplingRate === 1 ? gaussian : ({ kind: "poissonSampled", samplingRate, event: gaussian } as const);
    const spent = privacySpent({ kind: "selfComposed", count: steps, event: step }, delta, accountant);
    const epsilon = Number.isFinite(spent.epsilon) ? spent.epsilon : null;
    const how = spent.order === null ? "privacy loss distributions" : `Rényi's order ${spent.order}`;
    return {
      json: { epsilon, delta: spent.delta, accountant: spent.accountant, order: spent.order },
      text: `epsilon ${epsilon === null ? "without bound" : epsilon.toPrecision(6)} at delta ${delta} (by ${how})`,
    };
  },
});
