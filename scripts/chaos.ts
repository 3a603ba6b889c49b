/**
 * Simulated histories of whole federations: `npx tsx scripts/chaos.ts --seed 17` replays one, `--rounds 10000` runs
 * seeds from there on until so many rounds are through. The first that breaks ends it, with the command that replays it.
 */
import { parseArgs } from "node:util";
import { runSeeds } from "../test/chaos/run-seeds.ts";

const { values } = parseArgs({
  options: { seed: { type: "string", default: "1" }, rounds: { type: "string" } },
});
const begun = performance.now();
const { histories, rounds, failedRounds, deaths, pauses, ends, violations } = await runSeeds({
  firstSeed: Number(values.seed),
  ...(values.rounds === undefined ? { histories: 1 } : { rounds: Number(values.rounds) }),
});
const seconds = ((performance.now() - begun) / 1000).toFixed(1);
const felt = `deaths: coordinator ${deaths.coordinator}, sites ${deaths.sites}; ${pauses} pauses`;
const counted = Object.entries(ends).map(([end, count]) => `${count} ${end}`);
process.stdout.write(`${histories} histories, ${rounds} rounds in ${seconds} s, ${failedRounds} failed; ${felt}\n`);
process.stdout.write(`${counted.sort().join(", ")}\n`);
for (const violation of violations) console.error(violation);
process.exitCode = violations.length > 0 ? 1 : 0;
