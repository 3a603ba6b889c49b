/** What a home's journal leads to, beside a coordinator that runs or on one that is stopped: nothing is changed. */
import { join } from "node:path";
import type { Coordinator } from "./coordinator.ts";
import { readHome } from "./home.ts";
import { openJournal } from "./journal.ts";
import { INITIAL_STATE } from "./state.ts";
import { takenAgain } from "./take-again.ts";

/**
 * Reads every record, each in its place in the chain.
 * @throws ConsiliumError `home-invalid`, `file-not-found` before the first start, `journal-corrupt`, `journal-version`
 */
export async function withState<T>(
  home: string,
  use: (read: Pick<Coordinator, "state" | "journal">) => Promise<T>,
): Promise<T> {
  await readHome(home);
  const journal = await openJournal(join(home, "journal.db"), "read");
  try {
    let state = INITIAL_STATE;
    await journal.replay(async (event, { number }) => {
      state = takenAgain(state, event, number);
    });
    return await use({ state: () => state, journal });
  } finally {
    journal.close();
  }
}
