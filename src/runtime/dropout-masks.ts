/**
 * What is dropped, pass by pass: each mask comes from the seed path that a round loads, the number of the pass since
 * then and the mask's own, so that a round done again drops the same.
 */
import { createRandom, type SeedPath } from "../base/index.ts";
import type { DropoutMask } from "../training/index.ts";
import type { FeedTensor } from "./graph-session.ts";

export interface DropoutMasks {
  /** Starts counting passes anew. */
  load(seed: SeedPath): void;
  /** The masks of the next pass. */
  next(): Record<string, FeedTensor>;
}

export function createDropoutMasks(masks: readonly DropoutMask[]): DropoutMasks {
  let seed: SeedPath = [];
  let passes = 0;
  return {
    load(path) {
      seed = path;
      passes = 0;
    },
    next() {
      passes++;
      return Object.fromEntries(
        masks.map(({ input, shape, ratio }, i) => {
          const data = drawMask(
            shape.reduce((product, side) => product * side, 1),
            ratio,
            [...seed, passes, i],
          );
          return [input, { dtype: "uint8", shape, data }];
        }),
      );
    },
  };
}

/** 1 where a value stays. */
function drawMask(length: number, ratio: number, seed: SeedPath): Uint8Array {
  const random = createRandom(...seed);
  const dropped = ratio * 2 ** 32;
  const mask = new Uint8Array(length);
  for (let i = 0; i < length; i++) mask[i] = random.uint32() < dropped ? 0 : 1;
  return mask;
}
