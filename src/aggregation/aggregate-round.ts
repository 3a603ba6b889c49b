/**
 * Federated averaging of one round (McMahan et al. 2017, algorithm 1): the global model moved by the weighted mean of
 * the sites' changes.
 *
 * The model is worked through in stretches: the same stretch of every update is read, added and applied before the
 * next. Memory is therefore the old model, the new one and a few megabytes, whatever the number of sites, and the
 * sums stay in the processor's cache. The next update's bytes are fetched while the last one's are added.
 *
 * Ownership: the caller keeps `global`, which is only read; the result's parameters are new and belong to the caller.
 * Buffers of a stretch live for the call.
 */
import { ConsiliumError } from "../base/index.ts";
import type { Parameters } from "../graph/index.ts";
import { applySum, createExactSum } from "./exact-sum.ts";
import type { UpdateEncoding } from "./update-encoding.ts";
import { createUpdateReader, type UpdateReader, type UpdateSource } from "./update-reader.ts";
import { updateScales } from "./update-scales.ts";

export interface AggregationRequest {
  readonly global: Parameters;
  /** In any order: the result does not depend on it. */
  readonly updates: readonly UpdateSource[];
  readonly precisionBits: number;
  /** How the updates are written; `int32` unless given. */
  readonly encoding?: UpdateEncoding | undefined;
  /** Elements worked on at a time; changes memory and speed, never the result. */
  readonly stretchElements?: number;
}

export interface AggregatedRound {
  readonly parameters: Parameters;
  readonly totalWeight: number;
  /** What each site counted for, in the order of the request; shares sum to 1. */
  readonly shares: readonly { readonly siteId: string; readonly weight: number; readonly share: number }[];
}

const STRETCH_ELEMENTS = 1 << 18;

/**
 * @throws ConsiliumError `update-shape`, `update-out-of-range` or `object-corrupt` for an update that does not fit,
 *   `aggregation-overflow` where bits and weights do not fit 53 bits, `quorum-not-reached` without updates.
 */
export async function aggregateRound(request: AggregationRequest): Promise<AggregatedRound> {
  const { global, updates, precisionBits, encoding, stretchElements = STRETCH_ELEMENTS } = request;
  const totalWeight = checkedTotalWeight(updates);
  const { layout } = global;
  const readers = updates.map((update) =>
    createUpdateReader(update, { layoutLength: layout.length, precisionBits, encoding }),
  );
  const scales = updateScales(global, precisionBits);
  const data = new Float32Array(layout.length);
  const stretch = Math.min(stretchElements, layout.length);
  const sum = createExactSum(stretch, { precisionBits, maxTotalWeight: totalWeight });
  for (let start = 0; start < layout.length; start += stretch) {
    const length = Math.min(stretch, layout.length - start);
    sum.clear();
    await forEachStretch(readers, sum.rooms, length, (coordinates, u) => {
      sum.addChunk(0, coordinates, updates[u].weight);
    });
    applySum({ global, scales, sums: sum.sums.subarray(0, length), offsetElements: start, totalWeight }, data);
  }
  for (const reader of readers) reader.finish();
  return {
    parameters: { layout, data },
    totalWeight,
    shares: updates.map(({ siteId, weight }) => ({ siteId, weight, share: weight / totalWeight })),
  };
}

function checkedTotalWeight(updates: readonly UpdateSource[]): number {
  const bad = updates.find(({ weight }) => !Number.isSafeInteger(weight) || weight < 1);
  const twice = updates.find(({ siteId }, i) => updates.findIndex((other) => other.siteId === siteId) < i);
  if (updates.length > 0 && bad === undefined && twice === undefined) {
    return updates.reduce((total, { weight }) => total + weight, 0);
  }
  throw new ConsiliumError(updates.length === 0 ? "quorum-not-reached" : "message-invalid", {
    subject: (bad ?? twice) ? `update of site ${(bad ?? twice)?.siteId}` : "round",
    expected: "at least one update, one for each site, each with a positive whole weight",
    actual: bad ? `a weight of ${bad.weight}` : twice ? "a second update of the same site" : "no update",
    hint: "Aggregate a round over the accepted updates of the sites that take part in it.",
  });
}

/** Hands on the next stretch of every update in turn, fetching one ahead: one is added while the other is filled. */
async function forEachStretch(
  readers: readonly UpdateReader[],
  rooms: readonly [Int32Array, Int32Array],
  length: number,
  use: (coordinates: Int32Array, update: number) => void,
): Promise<void> {
  const fetch = async (update: number): Promise<Int32Array | undefined> => {
    if (update >= readers.length) return undefined;
    const target = rooms[update % 2].subarray(0, length);
    await readers[update].read(target);
    return target;
  };
  let coming = fetch(0);
  for (let update = 0; update < readers.length; update++) {
    const coordinates = await coming;
    coming = fetch(update + 1);
    coming.catch(() => undefined);
    if (coordinates !== undefined) use(coordinates, update);
  }
}
