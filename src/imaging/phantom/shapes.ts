/**
 * Implicit shapes in millimetres: signed distances (negative inside) to ellipsoids and tapered capsules, and their
 * smooth combinations (polynomial smooth minimum, Quilez). Distances to ellipsoids are radial, exact at the surface,
 * which is where they are used.
 */

export interface Ellipsoid {
  readonly x: number;
  readonly y: number;
  readonly z: number;
  readonly perX: number;
  readonly perY: number;
  readonly perZ: number;
}

type Point = readonly [number, number, number];

export function ellipsoid(centre: Point, radii: Point): Ellipsoid {
  const [x, y, z] = centre;
  return { x, y, z, perX: 1 / radii[0], perY: 1 / radii[1], perZ: 1 / radii[2] };
}

/** Distance to an ellipsoid's surface in mm, negative inside; exact to first order at the surface. */
export function ellipsoidDistance(shape: Ellipsoid, x: number, y: number, z: number): number {
  const ex = (x - shape.x) * shape.perX;
  const ey = (y - shape.y) * shape.perY;
  const ez = (z - shape.z) * shape.perZ;
  const level = Math.sqrt(ex * ex + ey * ey + ez * ez);
  const gx = ex * shape.perX;
  const gy = ey * shape.perY;
  const gz = ez * shape.perZ;
  const slope = Math.sqrt(gx * gx + gy * gy + gz * gz);
  return slope < 1e-9 ? -1 / Math.max(shape.perX, shape.perY, shape.perZ) : ((level - 1) * level) / slope;
}

export interface Capsule {
  readonly x: number;
  readonly y: number;
  readonly z: number;
  /** Axis from one end to the other, and the inverse of its squared length. */
  readonly alongX: number;
  readonly alongY: number;
  readonly alongZ: number;
  readonly perSquare: number;
  readonly radius: number;
  readonly taper: number;
}

/** A capsule whose radius runs linearly from one end to the other. */
export function capsule(from: Point, to: Point, radiusFrom: number, radiusTo: number): Capsule {
  const [x, y, z] = from;
  const [alongX, alongY, alongZ] = [to[0] - x, to[1] - y, to[2] - z];
  const perSquare = 1 / (alongX * alongX + alongY * alongY + alongZ * alongZ);
  return { x, y, z, alongX, alongY, alongZ, perSquare, radius: radiusFrom, taper: radiusTo - radiusFrom };
}

/** Distance to a capsule, negative inside. */
export function capsuleDistance(shape: Capsule, x: number, y: number, z: number): number {
  const px = x - shape.x;
  const py = y - shape.y;
  const pz = z - shape.z;
  const along = (px * shape.alongX + py * shape.alongY + pz * shape.alongZ) * shape.perSquare;
  const t = along < 0 ? 0 : along > 1 ? 1 : along;
  const dx = px - t * shape.alongX;
  const dy = py - t * shape.alongY;
  const dz = pz - t * shape.alongZ;
  return Math.sqrt(dx * dx + dy * dy + dz * dz) - (shape.radius + shape.taper * t);
}

/** Minimum of two distances with the crease rounded over `blend` mm: the union of two shapes. */
export function smoothMin(a: number, b: number, blend: number): number {
  const gap = blend - Math.abs(a - b);
  const rounding = gap > 0 ? (gap * gap) / (4 * blend) : 0;
  return Math.min(a, b) - rounding;
}

/** Maximum of two distances with the crease rounded over `blend` mm: the intersection of two shapes. */
export function smoothMax(a: number, b: number, blend: number): number {
  return -smoothMin(-a, -b, blend);
}
