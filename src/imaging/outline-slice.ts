/**
 * The outlines of a region in one slice, along the edges of its voxels: every voxel inside, and no other, is enclosed an
 * odd number of times, so holes have outlines of their own. Voxels that touch at a corner alone are outlined apart.
 */

/** Corners in voxel coordinates (a voxel's centre is whole, its corners lie half a voxel off), without the first again. */
export type Outline = readonly (readonly [x: number, y: number])[];

/** Right, down, left, up: along a voxel's edges with the voxel on the right hand. */
const STEPS = [
  [1, 0],
  [0, 1],
  [-1, 0],
  [0, -1],
] as const;

/** @param inside whether a voxel belongs to the region; asked for 0 to width - 1 and 0 to height - 1 alone. */
export function outlinesOfSlice(
  inside: (x: number, y: number) => boolean,
  width: number,
  height: number,
): readonly Outline[] {
  const at = (x: number, y: number): boolean => x >= 0 && y >= 0 && x < width && y < height && inside(x, y);
  // By the corner where an edge begins: the directions in which edges lead from there.
  const open = new Map<number, number[]>();
  const keyOf = (x: number, y: number): number => y * (width + 1) + x;
  const add = (x: number, y: number, direction: number): void => {
    const key = keyOf(x, y);
    open.set(key, [...(open.get(key) ?? []), direction]);
  };
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      if (!at(x, y)) continue;
      if (!at(x, y - 1)) add(x, y, 0);
      if (!at(x + 1, y)) add(x + 1, y, 1);
      if (!at(x, y + 1)) add(x + 1, y + 1, 2);
      if (!at(x - 1, y)) add(x, y + 1, 3);
    }
  }
  const outlines: Outline[] = [];
  for (const [key, directions] of open) {
    while (directions.length > 0) outlines.push(follow(open, key, width + 1));
  }
  return outlines;
}

function follow(open: Map<number, number[]>, start: number, stride: number): Outline {
  const corners: (readonly [number, number])[] = [];
  let key = start;
  let came = -1;
  do {
    const directions = open.get(key) ?? [];
    // Where two outlines meet at a corner, turning right stays with the same voxel.
    const right = directions.indexOf((came + 1) % 4);
    const [direction] = directions.splice(came >= 0 && right >= 0 ? right : 0, 1);
    const [x, y] = [key % stride, Math.floor(key / stride)];
    if (direction !== came) corners.push([x - 0.5, y - 0.5]);
    came = direction;
    key += STEPS[direction][0] + STEPS[direction][1] * stride;
  } while (key !== start);
  return corners;
}
