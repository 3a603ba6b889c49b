/**
 * A coordinator as a process of its own, to be killed by tests: `tsx run-coordinator.ts HOME [MOMENT]`.
 *
 * At MOMENT it kills itself with SIGKILL. `2 unmasking reveals 2` is round 2 when the second site's shares are in the
 * journal, `2 aggregating` when its masks are open and nothing is summed, `2 summed` when the new model is stored and
 * not yet in the journal.
 */
import { join } from "node:path";
import { systemClock, systemTimers } from "../../base/index.ts";
import { assembleCoordinator, lockCoordinatorHome, openCoordinator, openStore } from "../coordinator.ts";
import { readHome } from "../home.ts";
import { type Coordinator, startServer } from "../index.ts";
import { type Journal, openJournal } from "../journal.ts";
import { maskingOf, sitesHeard } from "../masked-round.ts";
import { openSecrets } from "../secrets.ts";
import type { CoordinatorState } from "../state.ts";

const [, , home, moment] = process.argv;
if (home === undefined) throw new Error("a home is needed");
const coordinator = moment === undefined ? await openCoordinator({ home }) : await mortalCoordinator(home, moment);
const server = await startServer(coordinator);
process.stdout.write(`${JSON.stringify({ kind: "listening", address: server.address })}\n`);

async function mortalCoordinator(folder: string, last: string): Promise<Coordinator> {
  const mortal = await assembleCoordinator({
    home: await readHome(folder),
    clock: systemClock,
    timers: systemTimers,
    store: await openStore(folder),
    journal: withoutSum(await openJournal(join(folder, "journal.db")), last),
    secrets: await openSecrets(folder),
    lock: await lockCoordinatorHome(folder, 10_000),
    dormant: false,
  });
  const look = (state: CoordinatorState): void => {
    if (momentsOf(state).includes(last)) die();
    // A study that ended is past every moment.
    if (state.phase.kind === "done" || state.phase.kind === "failed") process.exit(3);
  };
  mortal.onNews((news) => news.kind === "event" && look(news.state));
  look(mortal.state());
  return mortal;
}

function withoutSum(journal: Journal, last: string): Journal {
  return {
    ...journal,
    append(events) {
      if (events.some((event) => event.kind === "round-aggregated" && `${event.round} summed` === last)) die();
      return journal.append(events);
    },
  };
}

function momentsOf({ phase }: CoordinatorState): readonly string[] {
  if (!("round" in phase)) return [];
  const here = `${phase.round} ${phase.kind}`;
  if (phase.kind === "collecting") return [`${here} updates ${Object.keys(phase.updates).length}`];
  if (!("masking" in phase) || phase.masking === undefined) return [here];
  const masking = maskingOf(phase.masking);
  return [here, `${here} ${masking.kind} ${sitesHeard(masking).length}`];
}

function die(): void {
  process.kill(process.pid, "SIGKILL");
}
