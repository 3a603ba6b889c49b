/**
 * What an attacker with canaries shows of private training, beside what was promised.
 *
 *   npx tsx bench/privacy-audit.ts --noise-multiplier 1 --sampling-rate 1 --steps 1 --runs 100000
 */
import { randomBytes } from "node:crypto";
import { parseArgs } from "node:util";
import {
  canaryScores,
  createCryptoRandom,
  type DpEvent,
  epsilonFromBelow,
  privacySpent,
} from "../src/privacy/index.ts";

const { values } = parseArgs({
  options: {
    "noise-multiplier": { type: "string", default: "1" },
    "sampling-rate": { type: "string", default: "1" },
    steps: { type: "string", default: "1" },
    runs: { type: "string", default: "100000" },
    delta: { type: "string", default: "1e-5" },
  },
});
const noiseMultiplier = Number(values["noise-multiplier"]);
const samplingRate = Number(values["sampling-rate"]);
const [steps, runs, delta] = [Number(values.steps), Number(values.runs), Number(values.delta)];
const random = createCryptoRandom({ randomBytes: (length) => new Uint8Array(randomBytes(length)) });
const shown = epsilonFromBelow(canaryScores({ runs, steps, clipNorm: 1, noiseMultiplier, samplingRate, random }), {
  delta,
});
const gaussian = { kind: "gaussian", noiseMultiplier } as const;
const step: DpEvent = samplingRate === 1 ? gaussian : { kind: "poissonSampled", samplingRate, event: gaussian };
const event: DpEvent = { kind: "selfComposed", count: steps, event: step };
const promised = { rdp: privacySpent(event, delta, "rdp").epsilon, pld: privacySpent(event, delta, "pld").epsilon };
process.stdout.write(`${JSON.stringify({ noiseMultiplier, samplingRate, steps, runs, delta, shown, promised })}\n`);
