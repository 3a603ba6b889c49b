/** Bugs to plant in a simulated federation, one of each kind that the checkers are there for: each must be caught. */
import { canonicalJson } from "../../src/base/index.ts";
import type { CoordinatorEvent, CoordinatorState, Journal, ObjectStore } from "../../src/coordinator/index.ts";
import type { OpenWork } from "../../src/site/index.ts";
import { archived, summedAgain } from "./checkers.ts";
import { appendRecord, type CoordinatorDisk, type SiteDisk } from "./memory-stores.ts";

export const SABOTAGES = [
  /** The sum takes one update twice. */
  "count-twice",
  /** The sum leaves one update out that the record has. */
  "lose-one",
  /** One parameter of a new model is off by its last bit. */
  "wrong-sum",
  /** A restart finds the journal without its last round, and nobody with a memory of it. */
  "round-goes-back",
  /** The journal loses what was answered for, and the sites remember. */
  "tail-removed",
  /** A record says something else than what was taken. */
  "journal-differs",
  /** Sites tell figures that their cases do not give. */
  "other-figures",
  /** The coordinator gets an update as it was before it was masked. */
  "mask-missing",
] as const;
export type Sabotage = (typeof SABOTAGES)[number];

const PLANTED_IN_ROUND = 2;

/** The object store, whose new models are wrong from some round on. */
export function sabotagedObjects(
  store: ObjectStore,
  sabotage: Sabotage | undefined,
  kept: CoordinatorDisk,
  state: () => CoordinatorState | undefined,
  precisionBits: number,
): ObjectStore {
  if (sabotage !== "count-twice" && sabotage !== "lose-one" && sabotage !== "wrong-sum") return store;
  return {
    ...store,
    put(bytes) {
      const { phase } = state() ?? {};
      if (phase?.kind !== "aggregating" || phase.round < PLANTED_IN_ROUND) return store.put(bytes);
      if (sabotage === "wrong-sum") {
        const wrong = Uint8Array.from(bytes);
        wrong[wrong.length - 4] ^= 1;
        return store.put(wrong);
      }
      const sites = Object.keys(phase.updates).sort();
      const weights = Object.fromEntries(sites.map((siteId) => [siteId, phase.updates[siteId].trainingCases]));
      if (sabotage === "count-twice") weights[sites[0]] *= 2;
      else delete weights[sites[0]];
      const counted = Object.keys(weights);
      const updates = counted.map((siteId) => [siteId, archived(kept.archive, phase.updates[siteId].sha256)] as const);
      return store.put(summedAgain(kept, phase.global.sha256, Object.fromEntries(updates), weights, precisionBits));
    },
  };
}

/** The engine, whose scores are half of what they are. */
export function sabotagedWork(open: OpenWork, sabotage: Sabotage | undefined): OpenWork {
  if (sabotage !== "other-figures") return open;
  return async (options) => {
    const work = await open(options);
    return {
      ...work,
      async evaluate(...request) {
        const scores = await work.evaluate(...request);
        return scores.map((each) => {
          const halved = Object.entries(each.regions).map(([region, figures]) => {
            return [region, { ...figures, dice: figures.dice === null ? null : figures.dice / 2 }];
          });
          return { ...each, regions: Object.fromEntries(halved) as typeof each.regions };
        });
      },
    };
  };
}

export function sabotagedJournal(journal: Journal, sabotage: Sabotage | undefined, kept: CoordinatorDisk): Journal {
  if (sabotage !== "journal-differs") return journal;
  return {
    ...journal,
    async append(events) {
      const head = await journal.append(events);
      kept.records.splice(-events.length);
      for (const event of events) appendRecord(kept, canonicalJson(misremembered(event) as never));
      return head;
    },
  };
}

function misremembered(event: CoordinatorEvent): CoordinatorEvent {
  if (event.kind !== "update-received" || event.round < PLANTED_IN_ROUND) return event;
  return { ...event, trainingCases: event.trainingCases + 1 };
}

/** What a restart finds: the last records gone, and with one kind whatever would tell of them. Whether it was planted. */
export function removeTail(sabotage: Sabotage | undefined, kept: CoordinatorDisk, sites: readonly SiteDisk[]): boolean {
  if (sabotage !== "round-goes-back" && sabotage !== "tail-removed") return false;
  const at = kept.records.findLastIndex(({ body }) => body.includes('"kind":"round-aggregated"'));
  // With a record after it, it was told: one that was not could be lost by right.
  if (at < 0 || at === kept.records.length - 1) return false;
  if ((JSON.parse(kept.records[at].body) as { round: number }).round < PLANTED_IN_ROUND) return false;
  kept.records.splice(at);
  kept.snapshots.splice(0);
  if (sabotage === "tail-removed") return true;
  kept.countersigned.clear();
  for (const { documents } of sites) documents.delete("journal-head");
  return true;
}
