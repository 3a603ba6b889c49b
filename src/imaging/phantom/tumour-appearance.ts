/**
 * Turns a grown tumour into tissue and labels at a point: oedema that fades out beyond its outline and spares
 * cortex, a core of necrosis, fluid or solid tumour, and an enhancing rim of varying thickness with gaps, bands and
 * nodules. Labels follow the tissue as a rater would outline it, with a border of their own.
 *
 * Classes: 0 background, 1 necrotic or non-enhancing core, 2 oedema, 3 enhancing tumour.
 */
import { createRandom, type SeedPath } from "../../base/index.ts";
import { clamp, createNoise, smoothstep } from "./noise-field.ts";
import { paint, TISSUE } from "./tissue.ts";
import type { GrownTumour } from "./tumour-growth.ts";
import type { TumourPlan } from "./tumour-plan.ts";

const CORE = 1;
const OEDEMA = 2;
const ENHANCING = 3;
/** Share of oedema in a voxel below which no rater sees it. */
const FAINTEST_OEDEMA = 0.15;

/** Paints the tumour at a point of subject space over the brain's composition and returns the class. */
export type TumourPainter = (u: number, v: number, w: number, widthMm: number, fractions: Float64Array) => number;

export function createTumourPainter(plan: TumourPlan, grown: GrownTumour, seed: SeedPath): TumourPainter {
  const noise = (name: string, scaleMm: number) => createNoise(createRandom(...seed, name), scaleMm);
  const roughness = noise("coreRoughness", 5);
  const fingers = noise("oedemaRoughness", 6);
  const patches = noise("oedemaPatches", 13);
  const streaks = noise("oedemaStreaks", 5);
  const thickness = noise("rimThickness", 9);
  const gaps = noise("rimGaps", 17);
  const bands = noise("septa", 12);
  const nodules = noise("nodules", 8);
  const interior = noise("interior", 10);
  const fluid = noise("fluid", 16);
  const random = createRandom(...seed, "rater");
  const raterOedema = random.between(-0.7, 0.8);
  const ragged = 0.25 + 0.5 * plan.irregularity;
  const raterCore = random.between(-0.5, 0.5);

  function paintOedema(u: number, v: number, w: number, time: number, fractions: Float64Array): void {
    const level = smoothstep(3, -4.5, time) * plan.oedemaStrength;
    const uneven = 1 + plan.oedemaPatchiness * (0.45 * patches.value(u, v, w) + 0.25 * streaks.value(u, v, w) - 0.15);
    const taken = clamp(level * uneven, 0, 1);
    const white = fractions[TISSUE.whiteMatter] + fractions[TISSUE.lesion];
    const deep = fractions[TISSUE.deepGrey] + fractions[TISSUE.pallidum] + fractions[TISSUE.brainStem];
    const cortex = fractions[TISSUE.cortex] + fractions[TISSUE.cerebellarGrey];
    paint(fractions, TISSUE.oedema, taken * (white + 0.8 * deep + 0.6 * cortex));
  }

  /** Share of enhancing tissue at a depth in mm below the core's border. */
  function enhancement(u: number, v: number, w: number, depth: number, widthMm: number): number {
    if (plan.kind === "nonEnhancing") return 0;
    const rim = plan.rimMm * clamp(1 + 0.5 * thickness.value(u, v, w), 0.3, 2.2);
    const present = smoothstep(-0.35, 0.25, gaps.value(u, v, w) + plan.rimFullness);
    const soft = Math.max(widthMm, 1);
    let share = present * clamp(0.5 + (rim - depth) / soft, 0, 1);
    if (plan.septa > 0.05) {
      const sheet = Math.abs(bands.value(u, v, w)) < 0.18 * plan.septa + 0.04 ? plan.septa : 0;
      const nodule = smoothstep(1.9 - 1.2 * plan.septa, 2.3 - 1.2 * plan.septa, nodules.value(u, v, w));
      share = Math.max(share, 0.8 * sheet * present, nodule);
    } else if (plan.kind === "patchy") {
      share = Math.max(share, smoothstep(1.5, 2, nodules.value(u, v, w)));
    }
    return share;
  }

  return (u, v, w, widthMm, fractions) => {
    const time = grown.oedemaTime(u, v, w) + 1.1 * fingers.value(u, v, w);
    const distance = grown.coreDistance(u, v, w) + ragged * roughness.value(u, v, w);
    if (time > 5 && distance > 5) return 0;
    const fluidBefore = fractions[TISSUE.csf] + fractions[TISSUE.ventricle] + fractions[TISSUE.vessel];
    paintOedema(u, v, w, time, fractions);
    const core = clamp(0.5 - distance / Math.max(widthMm, plan.borderMm), 0, 1);
    let enhancing = 0;
    if (core > 0) {
      enhancing = enhancement(u, v, w, -distance, widthMm);
      const depth = smoothstep(0, 5, -distance);
      const cyst = smoothstep(1.1, 0.5, fluid.value(u, v, w) / 1.5 + 1.6 - 2 * plan.cystic) * depth;
      const solid = clamp(plan.solid + 0.35 * interior.value(u, v, w), 0, 1);
      paint(fractions, TISSUE.solidTumour, core);
      paint(fractions, TISSUE.necrosis, core * (1 - solid) * depth);
      paint(fractions, TISSUE.cyst, core * cyst);
      paint(fractions, TISSUE.enhancing, core * enhancing * clamp(plan.enhancementStrength, 0, 1));
    }
    if (distance < raterCore) return enhancing > 0.5 ? ENHANCING : CORE;
    const visible = fractions[TISSUE.oedema] > FAINTEST_OEDEMA;
    return time < raterOedema && fluidBefore < 0.5 && visible ? OEDEMA : 0;
  };
}
