/**
 * Fast marching (Sethian 1996): arrival times of a front that moves outwards from given cells with a speed that
 * depends on the place, solving |grad T| * speed = 1 to first order on a regular grid. Tumours grow by it.
 *
 * Invariant: cells are accepted in the order of their times (ties by index), so the front at any time is what was
 * accepted before it; equal inputs give equal bits.
 */
import type { Triple } from "../volume.ts";

export interface Front {
  /** Arrival time per cell; Infinity where the front did not come. */
  readonly times: Float32Array;
  /** Accepted cells in the order of their times. */
  readonly order: readonly number[];
}

export interface MarchOptions {
  readonly dims: Triple;
  readonly cellMm: number;
  /** Cells the front starts from, with their times. */
  readonly sources: readonly { readonly cell: number; readonly time: number }[];
  /** mm per unit of time; zero or less is a wall. Asked once for each cell the front reaches. */
  readonly speed: (cell: number) => number;
  /** True ends the march; asked after each accepted cell. */
  readonly stop: (accepted: number, time: number) => boolean;
}

export function march(options: MarchOptions): Front {
  const { dims, cellMm, speed } = options;
  const [nx, ny, nz] = dims;
  const times = new Float32Array(nx * ny * nz).fill(Number.POSITIVE_INFINITY);
  const accepted = new Uint8Array(times.length);
  const speeds = new Float32Array(times.length).fill(-1);
  const order: number[] = [];
  const heap = createHeap(times);
  for (const { cell, time } of options.sources) {
    times[cell] = Math.min(times[cell], time);
    heap.push(cell);
  }
  const plane = nx * ny;
  const known = (cell: number): number => (accepted[cell] ? times[cell] : Number.POSITIVE_INFINITY);

  function relax(cell: number, x: number, y: number, z: number): void {
    if (accepted[cell]) return;
    if (speeds[cell] < 0) speeds[cell] = Math.max(0, speed(cell));
    if (speeds[cell] === 0) return;
    const alongX = Math.min(x > 0 ? known(cell - 1) : Infinity, x < nx - 1 ? known(cell + 1) : Infinity);
    const alongY = Math.min(y > 0 ? known(cell - nx) : Infinity, y < ny - 1 ? known(cell + nx) : Infinity);
    const alongZ = Math.min(z > 0 ? known(cell - plane) : Infinity, z < nz - 1 ? known(cell + plane) : Infinity);
    const time = solveEikonal(alongX, alongY, alongZ, cellMm / speeds[cell]);
    if (time < times[cell]) {
      times[cell] = time;
      heap.push(cell);
    }
  }

  for (let cell = heap.pop(); cell >= 0; cell = heap.pop()) {
    if (accepted[cell]) continue;
    accepted[cell] = 1;
    order.push(cell);
    if (options.stop(order.length, times[cell])) break;
    const x = cell % nx;
    const y = Math.floor(cell / nx) % ny;
    const z = Math.floor(cell / plane);
    if (x > 0) relax(cell - 1, x - 1, y, z);
    if (x < nx - 1) relax(cell + 1, x + 1, y, z);
    if (y > 0) relax(cell - nx, x, y - 1, z);
    if (y < ny - 1) relax(cell + nx, x, y + 1, z);
    if (z > 0) relax(cell - plane, x, y, z - 1);
    if (z < nz - 1) relax(cell + plane, x, y, z + 1);
  }
  for (let cell = 0; cell < times.length; cell++) if (!accepted[cell]) times[cell] = Number.POSITIVE_INFINITY;
  return { times, order };
}

/** The arrival time from the upwind neighbours' times along each axis, `step` being cell size over speed. */
function solveEikonal(a: number, b: number, c: number, step: number): number {
  let low = a;
  let middle = b;
  let high = c;
  if (low > middle) [low, middle] = [middle, low];
  if (middle > high) [middle, high] = [high, middle];
  if (low > middle) [low, middle] = [middle, low];
  const one = low + step;
  if (one <= middle) return one;
  const gap = middle - low;
  const two = (low + middle + Math.sqrt(2 * step * step - gap * gap)) / 2;
  if (two <= high) return two;
  const sum = low + middle + high;
  return (sum + Math.sqrt(sum * sum - 3 * (low * low + middle * middle + high * high - step * step))) / 3;
}

/** A binary heap of cells by time; a cell whose time fell is pushed again and its stale entry skipped by the caller. */
function createHeap(times: Float32Array): { push(cell: number): void; pop(): number } {
  const cells: number[] = [];
  const keys: number[] = [];
  const before = (i: number, j: number): boolean => keys[i] < keys[j] || (keys[i] === keys[j] && cells[i] < cells[j]);
  const swap = (i: number, j: number): void => {
    const cell = cells[i];
    const key = keys[i];
    cells[i] = cells[j];
    keys[i] = keys[j];
    cells[j] = cell;
    keys[j] = key;
  };
  return {
    push(cell) {
      cells.push(cell);
      keys.push(times[cell]);
      for (let i = cells.length - 1; i > 0; ) {
        const parent = (i - 1) >> 1;
        if (!before(i, parent)) break;
        swap(i, parent);
        i = parent;
      }
    },
    pop() {
      if (cells.length === 0) return -1;
      swap(0, cells.length - 1);
      const top = cells.pop() as number;
      keys.pop();
      for (let i = 0; ; ) {
        let least = i;
        if (2 * i + 1 < cells.length && before(2 * i + 1, least)) least = 2 * i + 1;
        if (2 * i + 2 < cells.length && before(2 * i + 2, least)) least = 2 * i + 2;
        if (least === i) break;
        swap(i, least);
        i = least;
      }
      return top;
    },
  };
}
