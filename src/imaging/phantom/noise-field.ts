/**
 * Smooth random fields over space in millimetres: gradient noise (Perlin 2002, quintic fade) with seeded unit
 * gradients and its exact derivative. A field is a function of position alone, so anatomy drawn from it is the same
 * at every resolution.
 *
 * Invariant: a field's value depends only on the seed path and the position, never on the order of the calls; the
 * eight gradients of the last lattice cell are kept only because neighbouring voxels ask for them again.
 */
import type { Random } from "../../base/index.ts";

export interface NoiseField {
  /** Zero mean, variance about one, within about [-3, 3]. */
  value(x: number, y: number, z: number): number;
  /** Writes value and its gradient per mm: [value, d/dx, d/dy, d/dz]. */
  sample(x: number, y: number, z: number, out: Float64Array): void;
}

/** Brings the variance of gradient noise with unit gradients to one. */
const UNIT_VARIANCE = 5.25;
const TABLE = 256;

/** A field whose bumps are about `scaleMm` apart. */
export function createNoise(random: Random, scaleMm: number): NoiseField {
  const { permutation, gradients } = seededTables(random);
  const frequency = 1 / scaleMm;
  // The gradients of the cell's corners, x lowest bit: (gx, gy, gz) eight times.
  const c = new Float64Array(24);
  let cellX = 0.5;
  let cellY = 0.5;
  let cellZ = 0.5;

  function enterCell(ix: number, iy: number, iz: number): void {
    cellX = ix;
    cellY = iy;
    cellZ = iz;
    for (let n = 0; n < 8; n++) {
      const px = permutation[(ix + (n & 1)) & (TABLE - 1)];
      const py = permutation[(px + iy + ((n >> 1) & 1)) & (TABLE - 1)];
      const g = 3 * permutation[(py + iz + (n >> 2)) & (TABLE - 1)];
      c[3 * n] = gradients[g];
      c[3 * n + 1] = gradients[g + 1];
      c[3 * n + 2] = gradients[g + 2];
    }
  }

  function value(x: number, y: number, z: number): number {
    const sx = x * frequency;
    const sy = y * frequency;
    const sz = z * frequency;
    const ix = Math.floor(sx);
    const iy = Math.floor(sy);
    const iz = Math.floor(sz);
    if (ix !== cellX || iy !== cellY || iz !== cellZ) enterCell(ix, iy, iz);
    const x0 = sx - ix;
    const y0 = sy - iy;
    const z0 = sz - iz;
    const x1 = x0 - 1;
    const y1 = y0 - 1;
    const z1 = z0 - 1;
    const u = x0 * x0 * x0 * (x0 * (x0 * 6 - 15) + 10);
    const v = y0 * y0 * y0 * (y0 * (y0 * 6 - 15) + 10);
    const w = z0 * z0 * z0 * (z0 * (z0 * 6 - 15) + 10);
    const a0 = c[0] * x0 + c[1] * y0 + c[2] * z0;
    const a1 = c[3] * x1 + c[4] * y0 + c[5] * z0;
    const a2 = c[6] * x0 + c[7] * y1 + c[8] * z0;
    const a3 = c[9] * x1 + c[10] * y1 + c[11] * z0;
    const a4 = c[12] * x0 + c[13] * y0 + c[14] * z1;
    const a5 = c[15] * x1 + c[16] * y0 + c[17] * z1;
    const a6 = c[18] * x0 + c[19] * y1 + c[20] * z1;
    const a7 = c[21] * x1 + c[22] * y1 + c[23] * z1;
    const b0 = a0 + (a1 - a0) * u;
    const b1 = a2 + (a3 - a2) * u;
    const b2 = a4 + (a5 - a4) * u;
    const b3 = a6 + (a7 - a6) * u;
    const low = b0 + (b1 - b0) * v;
    return UNIT_VARIANCE * (low + (b2 + (b3 - b2) * v - low) * w);
  }

  function blendCorners(axis: number, u: number, v: number, w: number): number {
    const low = mix(mix(c[axis], c[3 + axis], u), mix(c[6 + axis], c[9 + axis], u), v);
    const high = mix(mix(c[12 + axis], c[15 + axis], u), mix(c[18 + axis], c[21 + axis], u), v);
    return mix(low, high, w);
  }

  function sample(x: number, y: number, z: number, out: Float64Array): void {
    const sx = x * frequency;
    const sy = y * frequency;
    const sz = z * frequency;
    const ix = Math.floor(sx);
    const iy = Math.floor(sy);
    const iz = Math.floor(sz);
    if (ix !== cellX || iy !== cellY || iz !== cellZ) enterCell(ix, iy, iz);
    const fx = sx - ix;
    const fy = sy - iy;
    const fz = sz - iz;
    const d0 = c[0] * fx + c[1] * fy + c[2] * fz;
    const d1 = c[3] * (fx - 1) + c[4] * fy + c[5] * fz;
    const d2 = c[6] * fx + c[7] * (fy - 1) + c[8] * fz;
    const d3 = c[9] * (fx - 1) + c[10] * (fy - 1) + c[11] * fz;
    const d4 = c[12] * fx + c[13] * fy + c[14] * (fz - 1);
    const d5 = c[15] * (fx - 1) + c[16] * fy + c[17] * (fz - 1);
    const d6 = c[18] * fx + c[19] * (fy - 1) + c[20] * (fz - 1);
    const d7 = c[21] * (fx - 1) + c[22] * (fy - 1) + c[23] * (fz - 1);
    const u = fade(fx);
    const v = fade(fy);
    const w = fade(fz);
    out[0] = UNIT_VARIANCE * mix(mix(mix(d0, d1, u), mix(d2, d3, u), v), mix(mix(d4, d5, u), mix(d6, d7, u), v), w);
    const factor = UNIT_VARIANCE * frequency;
    const alongX = mix(mix(d1 - d0, d3 - d2, v), mix(d5 - d4, d7 - d6, v), w);
    const alongY = mix(mix(d2 - d0, d3 - d1, u), mix(d6 - d4, d7 - d5, u), w);
    const alongZ = mix(mix(d4 - d0, d5 - d1, u), mix(d6 - d2, d7 - d3, u), v);
    out[1] = factor * (fadeSlope(fx) * alongX + blendCorners(0, u, v, w));
    out[2] = factor * (fadeSlope(fy) * alongY + blendCorners(1, u, v, w));
    out[3] = factor * (fadeSlope(fz) * alongZ + blendCorners(2, u, v, w));
  }

  return { value, sample };
}

function seededTables(random: Random): { permutation: Uint8Array; gradients: Float64Array } {
  const permutation = Uint8Array.from(random.shuffled([...new Uint8Array(TABLE).keys()]));
  const gradients = new Float64Array(3 * TABLE);
  for (let n = 0; n < TABLE; n++) {
    const x = random.normal();
    const y = random.normal();
    const z = random.normal();
    const length = Math.sqrt(x * x + y * y + z * z) || 1;
    gradients.set([x / length, y / length, z / length], 3 * n);
  }
  return { permutation, gradients };
}

function fade(t: number): number {
  return t * t * t * (t * (t * 6 - 15) + 10);
}

function fadeSlope(t: number): number {
  return 30 * t * t * (t * (t - 2) + 1);
}

/** a at t = 0, b at t = 1. */
export function mix(a: number, b: number, t: number): number {
  return a + (b - a) * t;
}

export function clamp(value: number, low: number, high: number): number {
  return value < low ? low : value > high ? high : value;
}

/** 0 below `from`, 1 above `to`, smooth between. */
export function smoothstep(from: number, to: number, value: number): number {
  const t = clamp((value - from) / (to - from), 0, 1);
  return t * t * (3 - 2 * t);
}
