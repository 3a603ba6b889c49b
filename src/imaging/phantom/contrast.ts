/**
 * Signals of tissues in T1, T1 with gadolinium, T2 and FLAIR: relative to white matter, for a scanner of average
 * contrast. A site's contrast raises these ratios to a power; a subject's tissues vary around them. The averages were
 * set so that the per-tissue z-scores of phantoms lie within those of real cases (docs/phantoms.md has the table).
 */

import type { Modality } from "../../study/index.ts";
import { TISSUE_COUNT, TISSUES, type Tissue } from "./tissue.ts";

/** Signal over white matter's in that modality. */
const SIGNAL: Readonly<Record<Tissue, Readonly<Record<Modality, number>>>> = {
  csf: { t1: 0.36, t1ce: 0.36, t2: 2.9, flair: 0.38 },
  ventricle: { t1: 0.32, t1ce: 0.32, t2: 3.1, flair: 0.33 },
  cortex: { t1: 0.81, t1ce: 0.83, t2: 1.28, flair: 1.12 },
  whiteMatter: { t1: 1, t1ce: 1, t2: 1, flair: 1 },
  deepGrey: { t1: 0.89, t1ce: 0.9, t2: 1.1, flair: 1.05 },
  pallidum: { t1: 0.97, t1ce: 0.97, t2: 0.85, flair: 0.92 },
  cerebellarGrey: { t1: 0.84, t1ce: 0.86, t2: 1.2, flair: 1.05 },
  brainStem: { t1: 0.94, t1ce: 0.95, t2: 1.12, flair: 1.02 },
  vessel: { t1: 0.75, t1ce: 2.3, t2: 0.8, flair: 0.75 },
  dura: { t1: 0.95, t1ce: 1.9, t2: 0.8, flair: 1.05 },
  choroid: { t1: 0.7, t1ce: 1.9, t2: 2.2, flair: 1.15 },
  lesion: { t1: 0.86, t1ce: 0.86, t2: 1.55, flair: 1.45 },
  oedema: { t1: 0.85, t1ce: 0.85, t2: 1.85, flair: 1.55 },
  necrosis: { t1: 0.68, t1ce: 0.68, t2: 2.4, flair: 1.6 },
  cyst: { t1: 0.45, t1ce: 0.46, t2: 3.0, flair: 0.75 },
  solidTumour: { t1: 0.76, t1ce: 0.79, t2: 1.95, flair: 1.6 },
  enhancing: { t1: 0.86, t1ce: 1.75, t2: 1.75, flair: 1.55 },
};

/** [tissue] for one modality: signal with contrast raised to `power`. */
export function tissueSignals(modality: Modality, power: number): Float64Array {
  const signals = new Float64Array(TISSUE_COUNT);
  TISSUES.forEach((tissue, index) => {
    signals[index] = SIGNAL[tissue][modality] ** power;
  });
  return signals;
}
