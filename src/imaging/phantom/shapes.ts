/**
 * Implicit shapes in millimetres: signed distances (negative inside) to ellipsoids and tapered capsules, and their
 * smooth combinations (polynomial smooth minimum, Quilez). Distances to ellipsoids are radial, exact at the surface,
 * which is where they are used.
 */

export interface Ellipsoid {
  readonly centre: readonly [number, number, number];
  readonly radii: readonly [number, number, number];
}

/** Radial distance to an ellipsoid's surface in mm, negative inside. */
export function ellipsoidDistance(shape: Ellipsoid, x: number, y: number, z: number): number {
  const dx = x - shape.centre[0];
  const dy = y - shape.centre[1];
  const dz = z - shape.centre[2];
  const ex = dx / shape.radii[0];
  const ey = dy / shape.radii[1];
  const ez = dz / shape.radii[2];
  const level = Math.sqrt(ex * ex + ey * ey + ez * ez);
  const gx = ex / shape.radii[0];
  const gy = ey / shape.radii[1];
  const gz = ez / shape.radii[2];
  const slope = Math.sqrt(gx * gx + gy * gy + gz * gz);
  // (level - 1) divided by the slope of `level`: first-order exact, and finite at the centre.
  return slope < 1e-9 ? -Math.min(shape.radii[0], shape.radii[1], shape.radii[2]) : ((level - 1) * level) / slope;
}

export interface Capsule {
  readonly from: readonly [number, number, number];
  readonly to: readonly [number, number, number];
  readonly radiusFrom: number;
  readonly radiusTo: number;
}

/** Distance to a capsule whose radius runs linearly from one end to the other, negative inside. */
export function capsuleDistance(shape: Capsule, x: number, y: number, z: number): number {
  const ax = shape.to[0] - shape.from[0];
  const ay = shape.to[1] - shape.from[1];
  const az = shape.to[2] - shape.from[2];
  const px = x - shape.from[0];
  const py = y - shape.from[1];
  const pz = z - shape.from[2];
  const along = (px * ax + py * ay + pz * az) / (ax * ax + ay * ay + az * az);
  const t = along < 0 ? 0 : along > 1 ? 1 : along;
  const dx = px - t * ax;
  const dy = py - t * ay;
  const dz = pz - t * az;
  return Math.sqrt(dx * dx + dy * dy + dz * dz) - (shape.radiusFrom + (shape.radiusTo - shape.radiusFrom) * t);
}

/** Minimum of two distances with the crease rounded over `blend` mm: the union of two shapes. */
export function smoothMin(a: number, b: number, blend: number): number {
  const gap = blend - Math.abs(a - b);
  const rounding = gap > 0 ? (gap * gap) / (4 * blend) : 0;
  return (a < b ? a : b) - rounding;
}

/** Maximum of two distances with the crease rounded over `blend` mm: the intersection of two shapes. */
export function smoothMax(a: number, b: number, blend: number): number {
  return -smoothMin(-a, -b, blend);
}
