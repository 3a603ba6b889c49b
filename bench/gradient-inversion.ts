/**
 * Reads a patient's picture out of one update of a tiny network, without protection and with each:
 *
 *   npx tsx bench/gradient-inversion.ts --trials 20 --noise-multiplier 1
 *
 * Prints the mean correlation of the attacker's picture with the patient's, and the pictures of the first trial.
 */
import { parseArgs } from "node:util";
import { inversionTrial, PROTECTIONS } from "../src/privacy/testing/inversion-trial.ts";

const { values } = parseArgs({
  options: {
    trials: { type: "string", default: "20" },
    "noise-multiplier": { type: "string", default: "1" },
  },
});
const noiseMultiplier = Number(values["noise-multiplier"]);
const trials = Array.from({ length: Number(values.trials) }, (_, i) => inversionTrial(i + 1, noiseMultiplier));
for (const name of ["patient", ...PROTECTIONS] as const) console.error(`${name}:\n${trials[0].pictures[name]}\n`);
const means = PROTECTIONS.map((name) => {
  const mean = trials.reduce((sum, { correlations }) => sum + correlations[name], 0) / trials.length;
  return [name, Number(mean.toFixed(3))] as const;
});
process.stdout.write(
  `${JSON.stringify({ trials: trials.length, noiseMultiplier, correlation: Object.fromEntries(means) })}\n`,
);
