/**
 * The tissues a phantom is made of, and a voxel's composition of them: fractions that sum to one, so that partial
 * volume is a weighted sum of the tissues' signals.
 */
export const TISSUES = [
  "csf",
  "ventricle",
  "cortex",
  "whiteMatter",
  "deepGrey",
  "pallidum",
  "cerebellarGrey",
  "brainStem",
  "vessel",
  "dura",
  "void",
  "fat",
  "choroid",
  "lesion",
  "oedema",
  "necrosis",
  "cyst",
  "solidTumour",
  "enhancing",
] as const;
export type Tissue = (typeof TISSUES)[number];
export const TISSUE_COUNT = TISSUES.length;

export const TISSUE = Object.fromEntries(TISSUES.map((name, index) => [name, index])) as Readonly<
  Record<Tissue, number>
>;

/** Paints `tissue` over what is there with the coverage given, 0 to 1. */
export function paint(fractions: Float64Array, tissue: number, coverage: number): void {
  if (coverage <= 0) return;
  const rest = 1 - coverage;
  for (let t = 0; t < TISSUE_COUNT; t++) fractions[t] *= rest;
  fractions[tissue] += coverage;
}

/** Share of a voxel `widthMm` wide that lies inside a surface at the signed distance given (negative inside). */
export function cover(distance: number, widthMm: number): number {
  const share = 0.5 - distance / widthMm;
  return share < 0 ? 0 : share > 1 ? 1 : share;
}
