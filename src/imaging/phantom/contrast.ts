/**
 * Signals of tissues in T1, T1 with gadolinium, T2 and FLAIR: relative to white matter, for a scanner of average
 * contrast. A site's contrast raises these ratios to a power; a subject's tissues vary around them. The averages were
 * set so that the per-tissue z-scores of phantoms lie within those of real cases (docs/phantoms.md has the table).
 */

import type { Modality } from "../../study/index.ts";
import { TISSUE_COUNT, TISSUES, type Tissue } from "./tissue.ts";

/** Signal over white matter's in that modality. */
const SIGNAL: Readonly<Record<Tissue, Readonly<Record<Modality, number>>>> = {
  csf: { t1: 0.3, t1ce: 0.31, t2: 2.7, flair: 0.36 },
  ventricle: { t1: 0.26, t1ce: 0.27, t2: 3.1, flair: 0.31 },
  cortex: { t1: 0.87, t1ce: 0.88, t2: 1.15, flair: 1.2 },
  whiteMatter: { t1: 1, t1ce: 1, t2: 1, flair: 1 },
  deepGrey: { t1: 0.91, t1ce: 0.92, t2: 1.03, flair: 1.08 },
  pallidum: { t1: 0.96, t1ce: 0.97, t2: 0.7, flair: 0.9 },
  cerebellarGrey: { t1: 0.87, t1ce: 0.89, t2: 1.16, flair: 1.08 },
  brainStem: { t1: 0.95, t1ce: 0.96, t2: 1.12, flair: 1.03 },
  vessel: { t1: 0.8, t1ce: 2.9, t2: 0.45, flair: 0.7 },
  dura: { t1: 1.3, t1ce: 2.1, t2: 0.55, flair: 1.25 },
  void: { t1: 0.4, t1ce: 0.5, t2: 0.15, flair: 0.4 },
  fat: { t1: 2.4, t1ce: 2.5, t2: 2.2, flair: 2.6 },
  choroid: { t1: 0.72, t1ce: 2.0, t2: 2.3, flair: 1.2 },
  lesion: { t1: 0.86, t1ce: 0.86, t2: 1.65, flair: 1.5 },
  oedema: { t1: 0.84, t1ce: 0.83, t2: 2.05, flair: 1.6 },
  necrosis: { t1: 0.77, t1ce: 0.7, t2: 2.35, flair: 1.35 },
  cyst: { t1: 0.46, t1ce: 0.47, t2: 3.0, flair: 0.8 },
  solidTumour: { t1: 0.83, t1ce: 0.82, t2: 2.1, flair: 1.66 },
  enhancing: { t1: 0.97, t1ce: 1.58, t2: 2.0, flair: 1.62 },
};

/** [tissue] for one modality: signal with contrast raised to `power`. */
export function tissueSignals(modality: Modality, power: number): Float64Array {
  const signals = new Float64Array(TISSUE_COUNT);
  TISSUES.forEach((tissue, index) => {
    signals[index] = SIGNAL[tissue][modality] ** power;
  });
  return signals;
}
