/**
 * Negative brightness in scans. A scanner's magnitude image has none, and FeTS's sanity check refuses it; an image that
 * was z-scored by a step of the site's own has it in about half of its voxels, and trains as well, since every scan is
 * z-scored before training. Which of the two a file is cannot be told from it, so it is named and not refused.
 */
import type { Modality } from "../study/index.ts";
import type { Volume } from "./volume.ts";

export interface NegativeVoxels {
  readonly modality: Modality;
  /** Part of the voxels that are not zero, over 0 up to 1. */
  readonly share: number;
}

/** Scans with negative voxels, in the order given. @param channels one for each modality. */
export function negativeVoxels(
  modalities: readonly Modality[],
  channels: readonly Volume<Float32Array>[],
): readonly NegativeVoxels[] {
  return modalities.flatMap((modality, i) => {
    let [negative, filled] = [0, 0];
    for (const value of channels[i].data) {
      if (value !== 0) filled++;
      if (value < 0) negative++;
    }
    return negative === 0 ? [] : [{ modality, share: negative / filled }];
  });
}
