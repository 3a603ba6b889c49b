/**
 * Smooth fields on a lattice, to be looked up together: where many noise fields are needed at every voxel, one
 * trilinear look-up for all of them costs less than one of the fields. The lattice does not depend on the image's
 * resolution, so neither does what is looked up.
 */
import { mix } from "./noise-field.ts";
import { farFromBrain } from "./subject.ts";

export interface FieldTable {
  /** Writes all fields at a point to `out`; zero far from the brain. */
  lookUp(x: number, y: number, z: number, out: Float64Array): void;
}

/** Lattice over subject space with room for every brain. */
const LOW = [-84, -104, -96] as const;
const HIGH = [84, 106, 84] as const;

/** @param evaluate writes the values of `count` fields at a lattice point. */
export function tabulate(
  stepMm: number,
  count: number,
  evaluate: (x: number, y: number, z: number, out: Float64Array) => void,
): FieldTable {
  const size = [0, 1, 2].map((axis) => Math.ceil((HIGH[axis] - LOW[axis]) / stepMm) + 1);
  const [nx, ny, nz] = size;
  const values = new Float32Array(nx * ny * nz * count);
  const point = new Float64Array(count);
  for (let z = 0, n = 0; z < nz; z++) {
    for (let y = 0; y < ny; y++) {
      for (let x = 0; x < nx; x++, n++) {
        const [px, py, pz] = [LOW[0] + stepMm * x, LOW[1] + stepMm * y, LOW[2] + stepMm * z];
        // Scaled a little inwards, so that cells across the border are whole.
        if (farFromBrain(0.92 * px, 0.92 * py, 0.92 * pz)) continue;
        evaluate(px, py, pz, point);
        for (let c = 0; c < count; c++) values[n * count + c] = point[c];
      }
    }
  }
  const alongY = nx * count;
  const alongZ = nx * ny * count;
  return {
    lookUp(x, y, z, out) {
      const px = Math.min(Math.max((x - LOW[0]) / stepMm, 0), nx - 1.001);
      const py = Math.min(Math.max((y - LOW[1]) / stepMm, 0), ny - 1.001);
      const pz = Math.min(Math.max((z - LOW[2]) / stepMm, 0), nz - 1.001);
      const ix = Math.floor(px);
      const iy = Math.floor(py);
      const iz = Math.floor(pz);
      const fx = px - ix;
      const fy = py - iy;
      const fz = pz - iz;
      let at = (ix + nx * (iy + ny * iz)) * count;
      for (let c = 0; c < count; c++, at++) {
        const near = mix(
          mix(values[at], values[at + count], fx),
          mix(values[at + alongY], values[at + alongY + count], fx),
          fy,
        );
        const over = at + alongZ;
        const far = mix(
          mix(values[over], values[over + count], fx),
          mix(values[over + alongY], values[over + alongY + count], fx),
          fy,
        );
        out[c] = mix(near, far, fz);
      }
    },
  };
}
