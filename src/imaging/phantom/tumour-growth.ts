/**
 * Grows a tumour into a brain on a grid of its own (2.5 mm in subject space, whatever the resolution of the images):
 * cores by a front that tissue and noise slow down, oedema by a second front that starts at the cores and follows
 * white matter. Volumes are met by stopping the fronts; what is kept are smooth fields to be looked up at any point.
 */
import { createRandom, type SeedPath } from "../../base/index.ts";
import type { Triple } from "../volume.ts";
import type { Anatomy } from "./anatomy.ts";
import { march } from "./front.ts";
import { undoMassEffect } from "./mass-effect.ts";
import { clamp, createNoise, type NoiseField } from "./noise-field.ts";
import { TISSUE, TISSUE_COUNT } from "./tissue.ts";
import type { TumourPlan } from "./tumour-plan.ts";

const CELL_MM = 2.5;
const LOW: Triple = [-82, -98, -80];
const DIMS: Triple = [67, 80, 62];
const CELL_ML = CELL_MM ** 3 / 1000;
/** Times further than this beyond a border are all the same: far away. */
const BEYOND = 6;

export interface GrownTumour {
  /** Signed distance to the core's border in mm, negative inside; `BEYOND` far outside. */
  coreDistance(u: number, v: number, w: number): number;
  /** Oedema front's time minus its final time, negative where oedema is; about mm in white matter. */
  oedemaTime(u: number, v: number, w: number): number;
  readonly low: Triple;
  readonly high: Triple;
}

export function growTumour(plan: TumourPlan, anatomy: Anatomy, lobes: NoiseField, seed: SeedPath): GrownTumour {
  const ease = createEase(plan, anatomy, lobes);
  const core = growCores(plan, ease, seed);
  const oedema = growOedema(plan, ease, core.inside, seed);
  const distance = signedDistance(core.inside);
  const low: [number, number, number] = [1e9, 1e9, 1e9];
  const high: [number, number, number] = [-1e9, -1e9, -1e9];
  for (let cell = 0; cell < oedema.length; cell++) {
    if (oedema[cell] >= BEYOND && distance[cell] >= BEYOND) continue;
    const position = cellPosition(cell);
    for (let axis = 0; axis < 3; axis++) {
      low[axis] = Math.min(low[axis], position[axis] - CELL_MM);
      high[axis] = Math.max(high[axis], position[axis] + CELL_MM);
    }
  }
  return {
    coreDistance: (u, v, w) => interpolate(distance, u, v, w),
    oedemaTime: (u, v, w) => interpolate(oedema, u, v, w),
    low,
    high,
  };
}

/** How easily each front passes a cell, 0 outside the brain: white matter is 1. */
interface Ease {
  core(cell: number): number;
  oedema(cell: number): number;
}

/** Ease from the composition of tissues after mass effect; each cell is looked at once, when a front reaches it. */
function createEase(plan: TumourPlan, anatomy: Anatomy, lobes: NoiseField): Ease {
  const size = DIMS[0] * DIMS[1] * DIMS[2];
  const core = new Float32Array(size).fill(-1);
  const oedema = new Float32Array(size).fill(-1);
  const f = new Float64Array(TISSUE_COUNT);
  const origin = new Float64Array(3);
  function look(cell: number): void {
    core[cell] = 0;
    oedema[cell] = 0;
    const [u, v, w] = cellPosition(cell);
    if (anatomy.outline(u, v, w) > -0.5) return;
    undoMassEffect(plan.foci, lobes, u, v, w, origin);
    if (anatomy.compose(origin[0], origin[1], origin[2], CELL_MM, f) > 0) return;
    const white = f[TISSUE.whiteMatter] + f[TISSUE.lesion];
    const deep = f[TISSUE.deepGrey] + f[TISSUE.pallidum];
    const hindbrain = f[TISSUE.brainStem] + f[TISSUE.cerebellarGrey];
    core[cell] = white + 0.75 * f[TISSUE.cortex] + 0.6 * deep + 0.08 * hindbrain + 0.04;
    oedema[cell] = white + 0.3 * f[TISSUE.cortex] + 0.3 * deep + 0.15 * hindbrain + 0.015;
  }
  return {
    core(cell) {
      if (core[cell] < 0) look(cell);
      return core[cell];
    },
    oedema(cell) {
      if (oedema[cell] < 0) look(cell);
      return oedema[cell];
    },
  };
}

/** Grows each focus to its volume, the largest first. */
function growCores(plan: TumourPlan, ease: Ease, seed: SeedPath): { inside: Uint8Array } {
  const inside = new Uint8Array(DIMS[0] * DIMS[1] * DIMS[2]);
  const coarse = createNoise(createRandom(...seed, "coreLobes"), 19);
  const fine = createNoise(createRandom(...seed, "coreBuds"), 8);
  for (const focus of plan.foci) {
    const wanted = Math.max(2, Math.round(focus.coreMl / CELL_ML));
    const { order } = march({
      dims: DIMS,
      cellMm: CELL_MM,
      sources: [{ cell: cellAt(focus.centre), time: 0 }],
      speed: (cell) => {
        const base = ease.core(cell);
        if (base === 0) return 0;
        const [u, v, w] = cellPosition(cell);
        return base * Math.exp(plan.irregularity * (0.45 * coarse.value(u, v, w) + 0.3 * fine.value(u, v, w)));
      },
      stop: (accepted) => accepted >= wanted,
    });
    for (const cell of order) inside[cell] = 1;
  }
  return { inside };
}

/** Time of the oedema front minus its final time, capped at `BEYOND`. */
function growOedema(plan: TumourPlan, ease: Ease, core: Uint8Array, seed: SeedPath): Float32Array {
  const coarse = createNoise(createRandom(...seed, "oedemaTracts"), 27);
  const fine = createNoise(createRandom(...seed, "oedemaFingers"), 10);
  const sources: { cell: number; time: number }[] = [];
  for (let cell = 0; cell < core.length; cell++) if (core[cell]) sources.push({ cell, time: 0 });
  const wanted = sources.length + Math.max(1, Math.round(plan.oedemaMl / CELL_ML));
  let finalTime = 0;
  const { times } = march({
    dims: DIMS,
    cellMm: CELL_MM,
    sources,
    speed: (cell) => {
      const base = ease.oedema(cell);
      if (base === 0) return 0;
      const [u, v, w] = cellPosition(cell);
      return base * Math.exp(0.5 * coarse.value(u, v, w) + 0.3 * fine.value(u, v, w));
    },
    stop: (accepted, time) => {
      if (accepted < wanted) finalTime = time;
      return time > finalTime + BEYOND;
    },
  });
  const field = new Float32Array(times.length).fill(BEYOND);
  for (let cell = 0; cell < times.length; cell++) {
    if (times[cell] !== Number.POSITIVE_INFINITY) field[cell] = Math.min(BEYOND, times[cell] - finalTime);
    if (core[cell]) field[cell] = Math.min(field[cell], -BEYOND);
  }
  return smooth(field);
}

/** Distance to the border of a set of cells in mm, negative inside, smoothed so that it can be interpolated. */
function signedDistance(inside: Uint8Array): Float32Array {
  const plane = DIMS[0] * DIMS[1];
  const border = (wanted: number): { cell: number; time: number }[] => {
    const cells: { cell: number; time: number }[] = [];
    for (let cell = 0; cell < inside.length; cell++) {
      if (inside[cell] !== wanted) continue;
      const other = 1 - wanted;
      if (
        inside[cell - 1] === other ||
        inside[cell + 1] === other ||
        inside[cell - DIMS[0]] === other ||
        inside[cell + DIMS[0]] === other ||
        inside[cell - plane] === other ||
        inside[cell + plane] === other
      ) {
        cells.push({ cell, time: CELL_MM / 2 });
      }
    }
    return cells;
  };
  const field = new Float32Array(inside.length).fill(BEYOND);
  for (const side of [0, 1]) {
    const { times, order } = march({
      dims: DIMS,
      cellMm: CELL_MM,
      sources: border(side),
      speed: (cell) => (inside[cell] === side ? 1 : 0),
      stop: (_, time) => side === 0 && time > BEYOND,
    });
    for (const cell of order) field[cell] = side === 1 ? -times[cell] : Math.min(BEYOND, times[cell]);
  }
  return smooth(field);
}

/** Binomial smoothing (1 2 1) along each axis. */
function smooth(field: Float32Array): Float32Array {
  let from = field;
  for (const stride of [1, DIMS[0], DIMS[0] * DIMS[1]]) {
    const to = Float32Array.from(from);
    for (let cell = stride; cell < from.length - stride; cell++) {
      to[cell] = 0.25 * from[cell - stride] + 0.5 * from[cell] + 0.25 * from[cell + stride];
    }
    from = to;
  }
  return from;
}

function cellPosition(cell: number): [number, number, number] {
  const x = cell % DIMS[0];
  const y = Math.floor(cell / DIMS[0]) % DIMS[1];
  const z = Math.floor(cell / (DIMS[0] * DIMS[1]));
  return [LOW[0] + CELL_MM * x, LOW[1] + CELL_MM * y, LOW[2] + CELL_MM * z];
}

function cellAt(position: readonly [number, number, number]): number {
  const index = (axis: 0 | 1 | 2): number =>
    clamp(Math.round((position[axis] - LOW[axis]) / CELL_MM), 1, DIMS[axis] - 2);
  return index(0) + DIMS[0] * (index(1) + DIMS[1] * index(2));
}

function interpolate(field: Float32Array, u: number, v: number, w: number): number {
  const x = (u - LOW[0]) / CELL_MM;
  const y = (v - LOW[1]) / CELL_MM;
  const z = (w - LOW[2]) / CELL_MM;
  const ix = Math.floor(x);
  const iy = Math.floor(y);
  const iz = Math.floor(z);
  if (ix < 0 || iy < 0 || iz < 0 || ix > DIMS[0] - 2 || iy > DIMS[1] - 2 || iz > DIMS[2] - 2) return BEYOND;
  const fx = x - ix;
  const fy = y - iy;
  const fz = z - iz;
  const at = ix + DIMS[0] * (iy + DIMS[1] * iz);
  const plane = DIMS[0] * DIMS[1];
  const row = (n: number): number => field[n] + (field[n + 1] - field[n]) * fx;
  const sheet = (n: number): number => row(n) + (row(n + DIMS[0]) - row(n)) * fy;
  return sheet(at) + (sheet(at + plane) - sheet(at)) * fz;
}
