/**
 * A closed surface of triangles, all of them with edges of about one length: an icosahedron whose faces are halved
 * along every edge and laid on the sphere (Smith 2002, section 2.3). Moving its vertices never changes who neighbours
 * whom.
 */
import type { Triple } from "../volume.ts";

export interface TriangleMesh {
  /** [vertices, 3] mm. */
  readonly vertices: Float64Array;
  /** Three vertices each, seen anticlockwise from outside. */
  readonly triangles: readonly Triple[];
  /** Of every vertex, five or six. */
  readonly neighbours: readonly (readonly number[])[];
}

const GOLDEN = (1 + Math.sqrt(5)) / 2;
const CORNERS: readonly Triple[] = [
  [-1, GOLDEN, 0],
  [1, GOLDEN, 0],
  [-1, -GOLDEN, 0],
  [1, -GOLDEN, 0],
  [0, -1, GOLDEN],
  [0, 1, GOLDEN],
  [0, -1, -GOLDEN],
  [0, 1, -GOLDEN],
  [GOLDEN, 0, -1],
  [GOLDEN, 0, 1],
  [-GOLDEN, 0, -1],
  [-GOLDEN, 0, 1],
];
const FACES: readonly Triple[] = [
  [0, 11, 5],
  [0, 5, 1],
  [0, 1, 7],
  [0, 7, 10],
  [0, 10, 11],
  [1, 5, 9],
  [5, 11, 4],
  [11, 10, 2],
  [10, 7, 6],
  [7, 1, 8],
  [3, 9, 4],
  [3, 4, 2],
  [3, 2, 6],
  [3, 6, 8],
  [3, 8, 9],
  [4, 9, 5],
  [2, 4, 11],
  [6, 2, 10],
  [8, 6, 7],
  [9, 8, 1],
];

/** @param divisions each makes four faces of one; 4 give 2562 vertices. */
export function sphereMesh(centre: Triple, radiusMm: number, divisions: number): TriangleMesh {
  const points = CORNERS.map(onSphere);
  let triangles = [...FACES];
  for (let i = 0; i < divisions; i++) triangles = divided(points, triangles);
  const vertices = Float64Array.from(points.flatMap((point) => point.map((x, axis) => centre[axis] + radiusMm * x)));
  const neighbours = points.map(() => new Set<number>());
  for (const [a, b, c] of triangles) {
    for (const [from, to] of [
      [a, b],
      [b, c],
      [c, a],
    ]) {
      neighbours[from].add(to);
      neighbours[to].add(from);
    }
  }
  return { vertices, triangles, neighbours: neighbours.map((set) => [...set]) };
}

function onSphere(point: readonly number[]): Triple {
  const length = Math.hypot(...point);
  return point.map((x) => x / length) as unknown as Triple;
}

/** Adds the middle of every edge to `points`. */
function divided(points: Triple[], triangles: readonly Triple[]): Triple[] {
  const middles = new Map<string, number>();
  const middleOf = (a: number, b: number): number => {
    const key = a < b ? `${a} ${b}` : `${b} ${a}`;
    const known = middles.get(key);
    if (known !== undefined) return known;
    points.push(onSphere(points[a].map((x, axis) => x + points[b][axis])));
    middles.set(key, points.length - 1);
    return points.length - 1;
  };
  return triangles.flatMap(([a, b, c]): Triple[] => {
    const [ab, bc, ca] = [middleOf(a, b), middleOf(b, c), middleOf(c, a)];
    return [
      [a, ab, ca],
      [b, bc, ab],
      [c, ca, bc],
      [ab, bc, ca],
    ];
  });
}

/**
 * Voxels whose centre lies inside: where a line of voxels has entered the surface more often than it has left it, so
 * that a fold in which the surface runs through itself is inside as well.
 * @param toVoxel voxel coordinates of a vertex.
 * @returns 1 inside, 0 outside.
 */
export function voxelsInside(mesh: TriangleMesh, dims: Triple, toVoxel: (at: Triple) => Triple): Uint8Array {
  const inside = new Uint8Array(dims[0] * dims[1] * dims[2]);
  const area = dims[0] * dims[1];
  for (const [line, crossings] of crossingsOf(mesh, dims, toVoxel)) {
    crossings.sort((a, b) => a.height - b.height);
    let winding = 0;
    for (let n = 0; n + 1 < crossings.length; n++) {
      winding += crossings[n].sign;
      if (winding === 0) continue;
      const last = Math.min(dims[2] - 1, Math.floor(crossings[n + 1].height));
      for (let k = Math.max(0, Math.ceil(crossings[n].height)); k <= last; k++) inside[k * area + line] = 1;
    }
  }
  return inside;
}

interface Crossing {
  readonly height: number;
  /** Which way the triangle looks. */
  readonly sign: number;
}

/** Where each line of voxels along the third axis meets the surface, by the line's place in a slice. */
function crossingsOf(
  { vertices, triangles }: TriangleMesh,
  [nx, ny]: Triple,
  toVoxel: (at: Triple) => Triple,
): ReadonlyMap<number, Crossing[]> {
  const placed = Array.from({ length: vertices.length / 3 }, (_, v) => {
    const [x, y, z] = toVoxel([vertices[3 * v], vertices[3 * v + 1], vertices[3 * v + 2]]);
    return [x + OFF_EDGES, y + OFF_EDGES / 3, z] as const;
  });
  const crossings = new Map<number, Crossing[]>();
  for (const [a, b, c] of triangles) {
    const [[ax, ay, az], [bx, by, bz], [cx, cy, cz]] = [placed[a], placed[b], placed[c]];
    const area = (bx - ax) * (cy - ay) - (cx - ax) * (by - ay);
    if (area === 0) continue;
    for (let j = Math.max(0, Math.ceil(Math.min(ay, by, cy))); j <= Math.min(ny - 1, Math.max(ay, by, cy)); j++) {
      for (let i = Math.max(0, Math.ceil(Math.min(ax, bx, cx))); i <= Math.min(nx - 1, Math.max(ax, bx, cx)); i++) {
        const u = ((bx - i) * (cy - j) - (cx - i) * (by - j)) / area;
        const v = ((cx - i) * (ay - j) - (ax - i) * (cy - j)) / area;
        if (u < 0 || v < 0 || u + v > 1) continue;
        const crossing = { height: u * az + v * bz + (1 - u - v) * cz, sign: Math.sign(area) };
        const line = j * nx + i;
        const known = crossings.get(line);
        if (known === undefined) crossings.set(line, [crossing]);
        else known.push(crossing);
      }
    }
  }
  return crossings;
}

/** Voxels; keeps lines of voxels off the edges of triangles, and is less than any rounding that matters. */
const OFF_EDGES = 1.4e-6;
