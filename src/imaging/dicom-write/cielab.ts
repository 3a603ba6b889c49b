/**
 * A colour as DICOM recommends one for a segment: L*, a* and b*, each as a whole number of 16 bits (PS3.3, C.10.7.1.1).
 * The standard means the ICC's connection space, white point D50; highdicom, DCMTK and dcmjs (OHIF) write and read
 * D65, and so does this, since a viewer would show blue as another colour otherwise.
 */
import type { Triple } from "../volume.ts";

/** Linear sRGB to XYZ (IEC 61966-2-1). */
const TO_XYZ: readonly Triple[] = [
  [0.4124, 0.3576, 0.1805],
  [0.2126, 0.7152, 0.0722],
  [0.0193, 0.1192, 0.9505],
];
const WHITE: Triple = [0.9505, 1, 1.089];
const MOST = 65_535;

/** @param rgb sRGB, 0 to 255 each. */
export function cielabOf(rgb: Triple): [number, number, number] {
  const linear = rgb.map((value) => {
    const share = value / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  const [x, y, z] = TO_XYZ.map((row, i) => {
    const share = row.reduce((sum, weight, c) => sum + weight * linear[c], 0) / WHITE[i];
    return share > 216 / 24_389 ? Math.cbrt(share) : ((24_389 / 27) * share + 16) / 116;
  });
  const chroma = (value: number): number => Math.round(((value + 128) / 255) * MOST);
  return [Math.round(((116 * y - 16) / 100) * MOST), chroma(500 * (x - y)), chroma(200 * (y - z))];
}
