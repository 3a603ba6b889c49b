/**
 * Brain extraction without weights: a surface grows from within the head until it meets the dark rim of fluid and
 * skull around the brain, held smooth on the way (Smith 2002, "Fast robust automated brain extraction", equations 1 to
 * 13). The letters in comments are the paper's.
 *
 * Made for images in which brain is brighter than the fluid around it, T1 above all. Deterministic.
 */
import { ConsiliumError } from "../../base/index.ts";
import { applyAffine, invertAffine } from "../affine.ts";
import { spacingMmOf, type Triple, type Volume } from "../volume.ts";
import { sphereMesh, type TriangleMesh, voxelsInside } from "./triangle-mesh.ts";

export interface ExtractedBrain {
  /** Of the image's grid, 1 inside. */
  readonly mask: Uint8Array;
  readonly volumeMl: number;
}

export interface ExtractionOptions {
  /** Between fluid (0) and brain (1), where the surface stops: b_t. Higher gives smaller brains. */
  readonly threshold?: number;
}

const DIVISIONS = 4;
const STEPS = 1000;
/** How far inward the darkest and the brightest value are looked for: d1, d2. */
const [DARK_REACH_MM, BRIGHT_REACH_MM] = [20, 10];
/** Radii of curvature between which smoothing sets in: r_min, r_max. */
const [TIGHTEST_MM, WIDEST_MM] = [3.33, 10];
const [E, F] = [(1 / TIGHTEST_MM + 1 / WIDEST_MM) / 2, 6 / (1 / TIGHTEST_MM - 1 / WIDEST_MM)];
const USUAL_THRESHOLD = 0.5;
/** Below it a neck counts for the middle and the size of the head. */
const HEAD_HEIGHT_MM = 165;
/** What an adult's brain with its inner fluid can measure, with room on both sides. */
export const BRAIN_ML = [600, 2400] as const;

/**
 * @param image of a whole head, in whatever orientation.
 * @throws ConsiliumError `brain-not-found` where what was found cannot be a brain.
 */
export function extractBrain(
  image: Volume<Float32Array>,
  subject: string,
  { threshold = USUAL_THRESHOLD }: ExtractionOptions = {},
): ExtractedBrain {
  const levels = levelsOf(image, subject);
  const mesh = sphereMesh(levels.centre, levels.radiusMm / 2, DIVISIONS);
  grow(mesh, sampler(image), levels, threshold);
  const rasToVoxel = invertAffine(image.affineVoxelToRas);
  const mask = voxelsInside(mesh, image.dims, (at) => applyAffine(rasToVoxel, at));
  const voxelMl = spacingMmOf(image.affineVoxelToRas).reduce((product, side) => product * side, 1) / 1000;
  const volumeMl = voxelMl * mask.reduce((sum, inside) => sum + inside, 0);
  checkBrainVolume(volumeMl, subject);
  return { mask, volumeMl };
}

/** @throws ConsiliumError `brain-not-found`. */
export function checkBrainVolume(volumeMl: number, subject: string): void {
  if (volumeMl >= BRAIN_ML[0] && volumeMl <= BRAIN_ML[1]) return;
  throw notFound(subject, `a brain of ${BRAIN_ML[0]} to ${BRAIN_ML[1]} ml`, `${volumeMl.toFixed(0)} ml`);
}

function notFound(subject: string, expected: string, actual: string): ConsiliumError {
  return new ConsiliumError("brain-not-found", {
    subject,
    expected,
    actual,
    hint: "Look at the pictures; where the scan is whole, name a network of your own with --brain-model.",
  });
}

interface Levels {
  /** t_2, t_98, t, t_m. */
  readonly low: number;
  readonly high: number;
  readonly rim: number;
  readonly median: number;
  /** RAS mm. */
  readonly centre: Triple;
  readonly radiusMm: number;
}

function levelsOf({ dims, data, affineVoxelToRas: m }: Volume<Float32Array>, subject: string): Levels {
  const step = Math.max(1, Math.floor(data.length / 200_000));
  const some = Float32Array.from({ length: Math.ceil(data.length / step) }, (_, i) => data[i * step]).sort();
  const at = (part: number): number => some[Math.min(some.length - 1, Math.floor(part * some.length))];
  const [low, high] = [at(0.02), at(0.98)];
  const rim = low + 0.1 * (high - low);
  if (!(high > low)) throw notFound(subject, "a head on a dark ground", "an image without contrast");
  const head = eachVoxel(dims, m, (i) => data[i] > rim);
  const top = percentile(
    head.map(([, , z]) => z),
    0.999,
  );
  const upper = head.filter(([, , z]) => z > top - HEAD_HEIGHT_MM);
  const weight = upper.reduce((sum, [, , , i]) => sum + Math.min(data[i], high), 0);
  const centre = [0, 1, 2].map(
    (axis) => upper.reduce((sum, voxel) => sum + voxel[axis] * Math.min(data[voxel[3]], high), 0) / weight,
  ) as unknown as Triple;
  const voxelMm3 = spacingMmOf(m).reduce((product, side) => product * side, 1);
  const radiusMm = ((3 * upper.length * voxelMm3) / (4 * Math.PI)) ** (1 / 3);
  const within = upper.filter(([x, y, z]) => Math.hypot(x - centre[0], y - centre[1], z - centre[2]) < radiusMm);
  const median = percentile(
    within.map(([, , , i]) => data[i]).filter((value) => value < high),
    0.5,
  );
  return { low, high, rim, median, centre, radiusMm };
}

type PlacedVoxel = readonly [x: number, y: number, z: number, index: number];

function eachVoxel(dims: Triple, m: readonly number[], wanted: (index: number) => boolean): PlacedVoxel[] {
  const found: PlacedVoxel[] = [];
  for (let k = 0, i = 0; k < dims[2]; k++) {
    for (let j = 0; j < dims[1]; j++) {
      for (let x = 0; x < dims[0]; x++, i++) {
        if (!wanted(i)) continue;
        const [px, py, pz] = applyAffine(m, [x, j, k]);
        found.push([px, py, pz, i]);
      }
    }
  }
  return found;
}

function percentile(values: readonly number[], part: number): number {
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? 0;
}

type Sample = (x: number, y: number, z: number) => number;

/** Nearest voxel; beyond the edge the outermost one goes on. */
function sampler({ dims, data, affineVoxelToRas }: Volume<Float32Array>): Sample {
  const m = invertAffine(affineVoxelToRas);
  const clamped = (value: number, size: number): number => Math.max(0, Math.min(size - 1, Math.round(value)));
  return (x, y, z) => {
    const i = clamped(m[0] * x + m[1] * y + m[2] * z + m[3], dims[0]);
    const j = clamped(m[4] * x + m[5] * y + m[6] * z + m[7], dims[1]);
    const k = clamped(m[8] * x + m[9] * y + m[10] * z + m[11], dims[2]);
    return data[(k * dims[1] + j) * dims[0] + i];
  };
}

/** The mean edge changes slowly: it is taken anew after so many steps. */
const STEPS_AN_EDGE = 10;

/** Moves the vertices, all at once, STEPS times. */
function grow(mesh: TriangleMesh, sample: Sample, levels: Levels, threshold: number): void {
  const { vertices, neighbours } = mesh;
  const moves = new Float64Array(vertices.length);
  let edgeMm = 0;
  for (let step = 0; step < STEPS; step++) {
    const normals = normalsOf(mesh);
    if (step % STEPS_AN_EDGE === 0) edgeMm = meanEdge(mesh);
    for (let v = 0; v < neighbours.length; v++) {
      const [x, y, z] = [vertices[3 * v], vertices[3 * v + 1], vertices[3 * v + 2]];
      const [nx, ny, nz] = [normals[3 * v], normals[3 * v + 1], normals[3 * v + 2]];
      let [sx, sy, sz] = [-x, -y, -z];
      for (const other of neighbours[v]) {
        sx += vertices[3 * other] / neighbours[v].length;
        sy += vertices[3 * other + 1] / neighbours[v].length;
        sz += vertices[3 * other + 2] / neighbours[v].length;
      }
      const along = sx * nx + sy * ny + sz * nz;
      // Equations 4 to 6: smoothing sets in where the surface is bent more tightly than a brain is.
      const curvature = (2 * Math.abs(along)) / edgeMm ** 2;
      const smoothing = 0.5 * (1 + Math.tanh(F * (curvature - E)));
      const push = smoothing * along + 0.05 * edgeMm * force(sample, levels, threshold, x, y, z, nx, ny, nz);
      moves[3 * v] = 0.5 * (sx - along * nx) + push * nx;
      moves[3 * v + 1] = 0.5 * (sy - along * ny) + push * ny;
      moves[3 * v + 2] = 0.5 * (sz - along * nz) + push * nz;
    }
    for (let i = 0; i < vertices.length; i++) vertices[i] += moves[i];
  }
}

/** Equations 7 to 13: outward in brain, inward where the way in already passed something dark. */
function force(
  sample: Sample,
  { low, rim, median }: Levels,
  threshold: number,
  x: number,
  y: number,
  z: number,
  nx: number,
  ny: number,
  nz: number,
): number {
  let [dark, bright] = [median, rim];
  for (let mm = 1; mm <= DARK_REACH_MM; mm++) {
    const value = sample(x - mm * nx, y - mm * ny, z - mm * nz);
    if (value < dark) dark = value;
    if (mm <= BRIGHT_REACH_MM && value > bright) bright = value;
  }
  dark = Math.max(low, dark);
  bright = Math.min(median, bright);
  const local = low + threshold * (bright - low);
  return bright > low ? (2 * (dark - local)) / (bright - low) : 0;
}

/** Unit normals of the vertices, outward. */
function normalsOf({ vertices, triangles }: TriangleMesh): Float64Array {
  const normals = new Float64Array(vertices.length);
  for (const [a, b, c] of triangles) {
    const [p, q, r] = [3 * a, 3 * b, 3 * c];
    const ux = vertices[q] - vertices[p];
    const uy = vertices[q + 1] - vertices[p + 1];
    const uz = vertices[q + 2] - vertices[p + 2];
    const vx = vertices[r] - vertices[p];
    const vy = vertices[r + 1] - vertices[p + 1];
    const vz = vertices[r + 2] - vertices[p + 2];
    const nx = uy * vz - uz * vy;
    const ny = uz * vx - ux * vz;
    const nz = ux * vy - uy * vx;
    normals[p] += nx;
    normals[p + 1] += ny;
    normals[p + 2] += nz;
    normals[q] += nx;
    normals[q + 1] += ny;
    normals[q + 2] += nz;
    normals[r] += nx;
    normals[r + 1] += ny;
    normals[r + 2] += nz;
  }
  for (let v = 0; v < normals.length; v += 3) {
    const length = Math.sqrt(normals[v] ** 2 + normals[v + 1] ** 2 + normals[v + 2] ** 2) || 1;
    normals[v] /= length;
    normals[v + 1] /= length;
    normals[v + 2] /= length;
  }
  return normals;
}

function meanEdge({ vertices, neighbours }: TriangleMesh): number {
  let [sum, count] = [0, 0];
  for (const [v, others] of neighbours.entries()) {
    for (const other of others) {
      sum += Math.hypot(
        vertices[3 * v] - vertices[3 * other],
        vertices[3 * v + 1] - vertices[3 * other + 1],
        vertices[3 * v + 2] - vertices[3 * other + 2],
      );
      count++;
    }
  }
  return sum / count;
}
