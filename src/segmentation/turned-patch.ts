/**
 * A training patch as it would be if the patient's head had been turned and were of another size: the case is sampled
 * along turned and stretched axes, so that nothing of the patch is blank that the case could have filled.
 */
import type { Random } from "../base/index.ts";
import type { Triple } from "../imaging/index.ts";
import { type AugmentationSpec, ofAxis } from "../study/index.ts";
import type { TrainingCase } from "./training-case.ts";

/** Row-major 3 x 3: voxel offsets from the patch's centre to voxel offsets in the case; both in x, y, z. */
export type Turn = readonly number[];

/** Angles from [-rotation, rotation] degrees about each axis, factors from [1 / (1 + stretch), 1 + stretch] along each. */
export function drawTurn({ rotation, stretch }: AugmentationSpec, random: Random): Turn | undefined {
  if (rotation === 0 && stretch === 0) return undefined;
  const angles = [0, 1, 2].map((axis) => {
    const limit = (ofAxis(rotation, axis) * Math.PI) / 180;
    return random.between(-limit, limit);
  });
  const factors = [0, 1, 2].map(() => (1 + stretch) ** random.between(-1, 1));
  const [[cx, cy, cz], [sx, sy, sz]] = [angles.map(Math.cos), angles.map(Math.sin)];
  const rotated = [
    [cy * cz, sx * sy * cz - cx * sz, cx * sy * cz + sx * sz],
    [cy * sz, sx * sy * sz + cx * cz, cx * sy * sz - sx * cz],
    [-sy, sx * cy, cx * cy],
  ];
  return rotated.flatMap((row) => row.map((value, axis) => value / factors[axis]));
}

/**
 * Fills `image` ([C, d, h, w]) and `labels` ([d, h, w]) from the case around the patch at `origin`. An image voxel is
 * interpolated from those of its eight neighbours that the channel has (non-zero); it is zero where its nearest voxel
 * is. Labels are those of the nearest voxel; outside the case all is background.
 */
export function cutTurnedPatch(
  source: TrainingCase,
  patch: Triple,
  channels: number,
  origin: Triple,
  turn: Turn,
  image: Float32Array,
  labels: Uint8Array,
): void {
  const [width, height, depth] = source.dims;
  const volume = width * height * depth;
  const patchVolume = patch[0] * patch[1] * patch[2];
  const half = patch.map((side) => (side - 1) / 2);
  const centre = origin.map((from, axis) => from + half[axis]);
  image.fill(0);
  labels.fill(0);
  const lastCell = source.dims.map((size) => Math.max(0, size - 2));
  const steps = Uint32Array.from(
    { length: 8 },
    (_, n) =>
      (n & 1 && width > 1 ? 1 : 0) + (n & 2 && height > 1 ? width : 0) + (n & 4 && depth > 1 ? width * height : 0),
  );
  const shares = new Float64Array(8);
  let at = 0;
  for (let k = 0; k < patch[2]; k++) {
    for (let j = 0; j < patch[1]; j++) {
      const [dy, dz] = [j - half[1], k - half[2]];
      let x = centre[0] - turn[0] * half[0] + turn[1] * dy + turn[2] * dz;
      let y = centre[1] - turn[3] * half[0] + turn[4] * dy + turn[5] * dz;
      let z = centre[2] - turn[6] * half[0] + turn[7] * dy + turn[8] * dz;
      for (let i = 0; i < patch[0]; i++, at++, x += turn[0], y += turn[3], z += turn[6]) {
        const nx = Math.round(x);
        const ny = Math.round(y);
        const nz = Math.round(z);
        if (nx < 0 || ny < 0 || nz < 0 || nx >= width || ny >= height || nz >= depth) continue;
        const nearest = (nz * height + ny) * width + nx;
        labels[at] = source.labels[nearest];
        if (source.brain[nearest] === 0) continue;
        // The cell's lower corner; beyond the case's last planes its upper neighbours have no weight.
        const x0 = Math.min(Math.max(0, Math.floor(x)), lastCell[0]);
        const y0 = Math.min(Math.max(0, Math.floor(y)), lastCell[1]);
        const z0 = Math.min(Math.max(0, Math.floor(z)), lastCell[2]);
        setShares(shares, clamp01(x - x0), clamp01(y - y0), clamp01(z - z0));
        const corner = (z0 * height + y0) * width + x0;
        for (let c = 0; c < channels; c++) {
          const base = c * volume;
          if (source.image[base + nearest] === 0) continue;
          let sum = 0;
          let weight = 0;
          for (let n = 0; n < 8; n++) {
            const value = source.image[base + corner + steps[n]];
            if (value === 0) continue;
            sum += shares[n] * value;
            weight += shares[n];
          }
          image[c * patchVolume + at] = sum / weight;
        }
      }
    }
  }
}

/** Weights of a cell's eight corners, x fastest, at the point (u, v, w) inside it. */
function setShares(shares: Float64Array, u: number, v: number, w: number): void {
  const [a, b, c, d] = [(1 - v) * (1 - w), v * (1 - w), (1 - v) * w, v * w];
  shares[0] = (1 - u) * a;
  shares[1] = u * a;
  shares[2] = (1 - u) * b;
  shares[3] = u * b;
  shares[4] = (1 - u) * c;
  shares[5] = u * c;
  shares[6] = (1 - u) * d;
  shares[7] = u * d;
}

function clamp01(value: number): number {
  return Math.min(1, Math.max(0, value));
}
