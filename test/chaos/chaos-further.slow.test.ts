/** As many rounds again as in chaos.slow.test.ts, of other seeds: the two files run side by side. */
import { it } from "vitest";
import { expectCalmAfter, FIRST_SEED, ROUNDS } from "./storm.ts";

/** Far from every seed that the other file gets to. */
const FURTHER = FIRST_SEED + 1_000_000;

it(
  `a federation in a simulated storm holds through ${ROUNDS} rounds from seed ${FURTHER}`,
  { timeout: 30 * 60_000 },
  () => expectCalmAfter(FURTHER),
);
