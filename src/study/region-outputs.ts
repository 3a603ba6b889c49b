/**
 * Networks whose outputs are regions: one sigmoid for each, regions nested in their order as WT, TC, ET are. Then each
 * region adds one class to the next smaller one, and a voxel's class is that of the smallest region it lies in
 * (Isensee et al. 2021, region-based training).
 */
import type { Study } from "./schema.ts";

/**
 * The class that each region has and the next one has not, in the regions' order; undefined where the regions are not
 * nested, largest first, each one class larger than the next.
 */
export function regionClasses({ regions }: Pick<Study["task"], "regions">): readonly number[] | undefined {
  const nested = Object.values(regions);
  const own = nested.map((classes, i) => {
    const inner = nested[i + 1] ?? [];
    const rest = classes.filter((each) => !inner.includes(each));
    return rest.length === 1 && inner.every((each) => classes.includes(each)) ? rest[0] : undefined;
  });
  return own.every((each) => each !== undefined) ? own : undefined;
}

/** Channels of the network's output. */
export function outputChannels({ outputs, regions, labels }: Study["task"]): number {
  return outputs === "regions" ? Object.keys(regions).length : labels.length;
}
