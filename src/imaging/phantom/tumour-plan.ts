/**
 * What tumour a subject has, as numbers: kind, foci with their volumes, oedema, and how it looks. Kinds, sizes and
 * their shares follow the published composition of BraTS glioma cohorts (most with a ring of enhancement around
 * necrosis, some patchy or solid, some without any).
 */
import type { Random } from "../../base/index.ts";
import type { Anatomy } from "./anatomy.ts";
import { clamp } from "./noise-field.ts";
import { TISSUE, TISSUE_COUNT } from "./tissue.ts";

export type TumourKind = "ring" | "solid" | "patchy" | "nonEnhancing";

export interface Focus {
  /** Subject space, mm. */
  readonly centre: readonly [number, number, number];
  readonly coreMl: number;
  /** Radius in mm of the tissue-free ball whose swelling pushes the brain aside. */
  readonly pushMm: number;
}

export interface TumourPlan {
  readonly kind: TumourKind;
  readonly foci: readonly Focus[];
  readonly oedemaMl: number;
  readonly rimMm: number;
  /** How much of the core's surface enhances: above 1 all of it, below -1 none. */
  readonly rimFullness: number;
  /** Strength of bands and nodules of enhancement inside the core, 0 to 1. */
  readonly septa: number;
  /** Share of the core's interior filled with fluid that FLAIR nulls, 0 to 1. */
  readonly cystic: number;
  /** Share of the interior that is solid tumour instead of necrosis, 0 to 1. */
  readonly solid: number;
  /** Width in mm over which the core's border blurs into its surroundings. */
  readonly borderMm: number;
  /** 0 to 1: how far oedema changes the signal where it is fully developed. */
  readonly oedemaStrength: number;
  /** 0 to 1: how uneven oedema is. */
  readonly oedemaPatchiness: number;
  readonly enhancementStrength: number;
  /** Standard deviation of the core's signal around its tissue's, 0 to 0.12. */
  readonly heterogeneity: number;
  /** 0 to 1.3: how lobed and ragged the core is. */
  readonly irregularity: number;
}

export function drawTumourPlan(random: Random, anatomy: Anatomy): TumourPlan {
  const draw = random.uniform();
  const kind: TumourKind = draw < 0.5 ? "ring" : draw < 0.65 ? "solid" : draw < 0.83 ? "patchy" : "nonEnhancing";
  const totalMl = clamp(88 * Math.exp(0.62 * random.normal()), 9, 210);
  const share = {
    ring: clamp(0.36 + 0.14 * random.normal(), 0.08, 0.75),
    solid: clamp(0.22 + 0.12 * random.normal(), 0.04, 0.6),
    patchy: clamp(0.36 + 0.18 * random.normal(), 0.08, 0.8),
    nonEnhancing: clamp(0.5 + 0.22 * random.normal(), 0.15, 0.9),
  }[kind];
  const coreMl = Math.max(1.2, totalMl * share);
  const fociCount = random.chance(kind === "nonEnhancing" ? 0.05 : 0.2) ? 2 + random.integer(2) : 1;
  const pushing = random.between(0.35, 0.8);
  const shares = fociCount === 1 ? [1] : fociCount === 2 ? [0.8, 0.2] : [0.72, 0.2, 0.08];
  const foci: Focus[] = [];
  for (const part of shares) {
    const ml = coreMl * part;
    const radius = Math.cbrt((3000 * ml) / (4 * Math.PI));
    const swelling = Math.cbrt((3000 * (ml + 0.12 * (totalMl - coreMl) * part)) / (4 * Math.PI));
    foci.push({ centre: seedPoint(random, anatomy, foci[0], radius), coreMl: ml, pushMm: pushing * swelling });
  }
  return {
    kind,
    foci,
    oedemaMl: totalMl - coreMl,
    rimMm:
      kind === "solid" ? random.between(5, 14) : kind === "ring" ? random.between(1.8, 5.5) : random.between(0.8, 3),
    rimFullness: {
      ring: random.between(0.4, 1.6),
      solid: random.between(0.8, 2),
      patchy: random.between(-1.4, -0.3),
      nonEnhancing: -9,
    }[kind],
    septa: {
      ring: random.uniform() * random.uniform(),
      solid: random.between(0.3, 1),
      patchy: random.between(0, 0.4),
      nonEnhancing: 0,
    }[kind],
    cystic: random.chance(0.22) ? random.between(0.4, 1) : random.between(0, 0.15),
    solid: {
      ring: random.between(0, 0.6),
      solid: random.between(0.3, 0.9),
      patchy: random.between(0.4, 1),
      nonEnhancing: random.between(0.7, 1),
    }[kind],
    borderMm: kind === "ring" || kind === "solid" ? random.between(0.6, 1.5) : random.between(1, 4),
    oedemaStrength: clamp(0.75 + 0.18 * random.normal(), 0.45, 1.1),
    oedemaPatchiness: random.between(0.1, 0.6),
    heterogeneity: random.between(0.02, 0.1),
    irregularity: random.between(0.15, kind === "nonEnhancing" ? 0.9 : 1.3),
    enhancementStrength: clamp(1 + 0.22 * random.normal(), 0.55, 1.5),
  };
}

/** A point in cerebral white matter; satellites lie near the first focus. */
function seedPoint(
  random: Random,
  anatomy: Anatomy,
  first: Focus | undefined,
  radiusMm: number,
): readonly [number, number, number] {
  const fractions = new Float64Array(TISSUE_COUNT);
  const margin = Math.min(12, 4 + 0.35 * radiusMm);
  for (let attempt = 0; ; attempt++) {
    let [u, v, w] = [random.between(-55, 55), random.between(-65, 68), random.between(-30, 50)];
    if (first && attempt < 1000) {
      const reach = Math.cbrt((3000 * first.coreMl) / (4 * Math.PI)) + radiusMm + random.between(2, 22);
      const [x, y, z] = [random.normal(), random.normal(), random.normal()];
      const length = Math.sqrt(x * x + y * y + z * z);
      u = first.centre[0] + (x / length) * reach;
      v = first.centre[1] + (y / length) * reach;
      w = first.centre[2] + (z / length) * reach;
    }
    const outline = anatomy.compose(u, v, w, 2, fractions);
    if (outline > -margin && attempt < 400) continue;
    if (outline < -3 && w > -32 && fractions[TISSUE.whiteMatter] > 0.8) {
      // Hindbrain tumours are not in these cohorts: the cerebellum lies behind and below the tentorium.
      if (w > -12 || v < 12) return [u, v, w];
    }
  }
}
