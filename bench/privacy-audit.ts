/**
 * What an attacker with canaries shows of private training, beside what was promised: `caught`, and exit code 1, where
 * it is more. With --without-noise the same promise is audited on steps that leave their noise out.
 *
 *   npx tsx bench/privacy-audit.ts --noise-multiplier 1 --sampling-rate 1 --steps 1 --runs 100000
 *   npx tsx bench/privacy-audit.ts --noise-multiplier 1 --without-noise
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
    "without-noise": { type: "boolean", default: false },
  },
});
const noiseMultiplier = Number(values["noise-multiplier"]);
const samplingRate = Number(values["sampling-rate"]);
const [steps, runs, delta] = [Number(values.steps), Number(values.runs), Number(values.delta)];
const random = createCryptoRandom({ randomBytes: (length) => new Uint8Array(randomBytes(length)) });
const withoutNoise = values["without-noise"];
/** Too little to hide anything, and still a number that the mechanism takes. */
const NEXT_TO_NONE = 1e-6;
const played = withoutNoise ? NEXT_TO_NONE : noiseMultiplier;
const scores = canaryScores({ runs, steps, clipNorm: 1, noiseMultiplier: played, samplingRate, random });
const shown = epsilonFromBelow(scores, { delta });
const gaussian = { kind: "gaussian", noiseMultiplier } as const;
const step: DpEvent = samplingRate === 1 ? gaussian : { kind: "poissonSampled", samplingRate, event: gaussian };
const event: DpEvent = { kind: "selfComposed", count: steps, event: step };
const promised = { rdp: privacySpent(event, delta, "rdp").epsilon, pld: privacySpent(event, delta, "pld").epsilon };
const caught = shown > promised.pld;
const told = { noiseMultiplier, withoutNoise, samplingRate, steps, runs, delta, shown, promised, caught };
process.stdout.write(`${JSON.stringify(told)}\n`);
if (caught) process.exitCode = 1;
