/** From a network's probabilities to one class for each voxel. */

export type Decision =
  /** Channels are classes: the most probable one, of equal ones the lower. */
  | { readonly kind: "mostProbable" }
  /**
   * Channels are nested regions, largest first: the class of the last region that a voxel lies in, which is where its
   * probability is above one half; background where it lies in none.
   */
  | { readonly kind: "smallestRegion"; readonly classes: readonly number[] };

const INSIDE = 0.5;

/**
 * @param channel the probabilities of one channel, asked for in their order and read before the next is asked for.
 * @returns one class for each voxel, owned by the caller.
 */
export function decidePlane(
  voxels: number,
  channels: number,
  decision: Decision,
  channel: (k: number) => Float32Array,
): Uint8Array {
  const classes = new Uint8Array(voxels);
  if (decision.kind === "smallestRegion") {
    for (let k = 0; k < channels; k++) {
      const inside = channel(k);
      for (let i = 0; i < voxels; i++) if (inside[i] > INSIDE) classes[i] = decision.classes[k];
    }
    return classes;
  }
  const best = new Float32Array(voxels).fill(Number.NEGATIVE_INFINITY);
  for (let k = 0; k < channels; k++) {
    const plane = channel(k);
    for (let i = 0; i < voxels; i++) {
      if (plane[i] > best[i]) {
        best[i] = plane[i];
        classes[i] = k;
      }
    }
  }
  return classes;
}
