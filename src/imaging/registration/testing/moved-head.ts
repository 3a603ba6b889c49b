/** Known motions of known heads, for tests of registration. */
import { createRandom } from "../../../base/index.ts";
import { multiplyAffines } from "../../affine.ts";
import type { Affine, Triple, Volume } from "../../volume.ts";
import { rigidDifference, rigidMatrix } from "../index.ts";

export function floats({ dims, data, affineVoxelToRas }: Volume): Volume<Float32Array> {
  return { dims, data: Float32Array.from(data), affineVoxelToRas };
}

/** Slices of `count` averaged into one, as a thick-slice sequence sees them. */
export function thickened({ dims, data, affineVoxelToRas }: Volume<Float32Array>, count: number): Volume<Float32Array> {
  const area = dims[0] * dims[1];
  const slices = Math.floor(dims[2] / count);
  const out = new Float32Array(area * slices);
  for (let i = 0; i < count * out.length; i++) {
    const slice = Math.floor(i / area);
    out[Math.floor(slice / count) * area + (i % area)] += data[i] / count;
  }
  const affine = affineVoxelToRas.slice();
  for (const row of [0, 4, 8]) {
    affine[row + 3] += (affine[row + 2] * (count - 1)) / 2;
    affine[row + 2] *= count;
  }
  return { dims: [dims[0], dims[1], slices], data: out, affineVoxelToRas: affine };
}

/** A motion of that size in a direction and about an axis drawn by the seed. */
export function knownMotion(seed: number, degrees: number, mm: number, centre: Triple): Affine {
  const random = createRandom("known motion", seed);
  const unit = (): number[] => {
    const v = [random.normal(), random.normal(), random.normal()];
    return v.map((x) => x / Math.hypot(...v));
  };
  const turn = unit().map((x) => (x * degrees * Math.PI) / 180);
  const shift = unit().map((x) => x * mm);
  return rigidMatrix([...turn, ...shift] as unknown as Parameters<typeof rigidMatrix>[0], centre);
}

/** The same voxels, said to lie elsewhere. */
export function movedBy(volume: Volume<Float32Array>, motion: Affine): Volume<Float32Array> {
  return { ...volume, affineVoxelToRas: multiplyAffines(motion, volume.affineVoxelToRas) };
}

/** The largest distance in mm over the centre and the corners of a brain's box around it. */
export function worstDistanceMm(a: Affine, b: Affine, centre: Triple): number {
  const corners = Array.from({ length: 8 }, (_, i) =>
    [70, 85, 60].map((half, axis) => centre[axis] + ((i >> axis) & 1 ? half : -half)),
  );
  return Math.max(...[centre, ...corners].map((at) => rigidDifference(a, b, at as unknown as Triple).mm));
}
