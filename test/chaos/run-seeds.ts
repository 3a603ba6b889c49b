/** Many histories, one after another, until so many rounds are through or something does not hold. */
import { makeFixture } from "./fixture.ts";
import { type ChaosOptions, type ChaosResult, runChaos } from "./run-chaos.ts";
import type { Sabotage } from "./sabotage.ts";

export interface SeedsOptions {
  readonly firstSeed: number;
  /** How many are run: as many as make so many rounds, or so many histories. */
  readonly rounds?: number;
  readonly histories?: number;
  readonly sabotage?: Sabotage;
}

export interface SeedsResult {
  readonly histories: number;
  readonly rounds: number;
  /** Masked rounds that became no model. */
  readonly failedRounds: number;
  readonly deaths: ChaosResult["deaths"];
  readonly pauses: number;
  /** How often a history of each kind came to each end. */
  readonly ends: Readonly<Record<string, number>>;
  /** What did not hold, with the command that replays it; none, or the first. */
  readonly violations: readonly string[];
}

const ROUNDS_PER_HISTORY = 25;

export async function runSeeds({
  firstSeed,
  rounds,
  histories = Infinity,
  sabotage,
}: SeedsOptions): Promise<SeedsResult> {
  const fixture = await makeFixture();
  const calm = await runChaos({ fixture, seed: 0, rounds: ROUNDS_PER_HISTORY, kind: "calm" });
  const total = { histories: 0, rounds: 0, failedRounds: 0, coordinator: 0, sites: 0, pauses: 0 };
  const ends: Record<string, number> = {};
  const violations: string[] = [];
  const unsound = calm.violation ?? shortOf(calm) ?? (await maskedOtherwise(fixture, calm));
  if (unsound !== undefined) violations.push(`undisturbed: ${unsound}`);
  for (let seed = firstSeed; violations.length === 0; seed++) {
    if (total.histories >= histories || total.rounds >= (rounds ?? Infinity)) break;
    const kind = kindOf(seed);
    const masked = seed % 8 === 2;
    const history = { fixture, seed, rounds: ROUNDS_PER_HISTORY, kind, masked };
    const result = await runChaos({ ...history, ...(sabotage && { sabotage }) });
    const violation = result.violation ?? unlikeCalm(history, result, calm) ?? otherStatistics(result, calm);
    if (violation !== undefined)
      violations.push(`seed ${seed}: ${violation}\n  npx tsx scripts/chaos.ts --seed ${seed}`);
    total.histories++;
    total.rounds += result.rounds;
    total.failedRounds += result.failedRounds;
    total.coordinator += result.deaths.coordinator;
    total.sites += result.deaths.sites;
    total.pauses += result.pauses;
    const end = `${masked ? "masked " : ""}${kind} ${result.end}`;
    ends[end] = (ends[end] ?? 0) + 1;
  }
  const { coordinator, sites, ...counts } = total;
  return { ...counts, deaths: { coordinator, sites }, ends, violations };
}

function kindOf(seed: number): ChaosOptions["kind"] {
  return seed % 3 === 0 ? "timed" : "fixed";
}

/** Nothing that a study of its whole length could be compared with. */
function shortOf({ end, rounds, statistics, cells }: ChaosResult): string | undefined {
  const told = Object.keys(statistics).length > 0 && Object.keys(cells).length > 0;
  if (end === "done" && rounds === ROUNDS_PER_HISTORY && told) return undefined;
  return `ended as ${end} after ${rounds} of ${ROUNDS_PER_HISTORY} rounds`;
}

/** Without disturbance a masked study comes to the model of a plain one. */
async function maskedOtherwise(fixture: ChaosOptions["fixture"], plain: ChaosResult): Promise<string | undefined> {
  const calm = await runChaos({ fixture, seed: 0, rounds: ROUNDS_PER_HISTORY, kind: "calm", masked: true });
  if (calm.violation !== undefined) return `masked: ${calm.violation}`;
  if (calm.finalSha256 === plain.finalSha256) return undefined;
  return `masked, the final model is ${calm.finalSha256 ?? calm.end}, and ${plain.finalSha256} without masks`;
}

/** What a site is heard to tell of its data is the same in every history, whoever died meanwhile. */
function otherStatistics({ statistics }: ChaosResult, calm: ChaosResult): string | undefined {
  const other = Object.keys(statistics).find((siteId) => statistics[siteId] !== calm.statistics[siteId]);
  return other === undefined ? undefined : `${other} told other statistics than without disturbance`;
}

/** Where cohort and work are fixed, what happens on the way leaves no trace in the model, and none in the matrix. */
function unlikeCalm(
  { kind, masked }: Pick<ChaosOptions, "kind" | "masked">,
  result: ChaosResult,
  calm: ChaosResult,
): string | undefined {
  if (kind !== "fixed") return undefined;
  if (result.finalSha256 !== calm.finalSha256) {
    return `the final model is ${result.finalSha256 ?? result.end}, and ${calm.finalSha256} without disturbance`;
  }
  if (masked) return undefined;
  const other = [...Object.keys(calm.cells), ...Object.keys(result.cells)].find((key) => {
    return result.cells[key] !== calm.cells[key];
  });
  return other === undefined ? undefined : `the matrix has another cell ${other} than without disturbance`;
}
