/**
 * Seeded random numbers for everything that must come out the same twice: initial weights, patches, augmentation,
 * splits, phantoms, simulated networks. Never for keys, masks or privacy noise, which come from `node:crypto`.
 *
 * The generator is xoshiro128** (Blackman and Vigna 2018). Its state is the SHA-256 of a path such as
 * (seed, "patch", site, round, step), so that streams are independent and any of them can be reached directly,
 * whatever ran before it.
 */
import { createHash } from "node:crypto";
import { canonicalJson } from "./canonical-json.ts";

export interface Random {
  /** An integer in [0, 2^32). */
  uint32(): number;
  /** A float in [0, 1) with 53 random bits. */
  uniform(): number;
  /** A float in [low, high). */
  between(low: number, high: number): number;
  /** An integer in [0, bound), without modulo bias; bound at most 2^32. */
  integer(bound: number): number;
  /** Standard normal, by the polar method (Marsaglia and Bray 1964). */
  normal(): number;
  /** True with the probability given. */
  chance(probability: number): boolean;
  /** The items in a new random order (Fisher-Yates). */
  shuffled<T>(items: readonly T[]): T[];
}

export type SeedPath = readonly (string | number)[];

export function createRandom(...path: SeedPath): Random {
  const digest = createHash("sha256").update(canonicalJson(path)).digest();
  const s = new Uint32Array(4);
  for (let i = 0; i < 4; i++) s[i] = digest.readUInt32LE(4 * i);

  function uint32(): number {
    const product = Math.imul(s[1], 5);
    const result = Math.imul((product << 7) | (product >>> 25), 9) >>> 0;
    const t = s[1] << 9;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = (s[3] << 11) | (s[3] >>> 21);
    return result;
  }
  function uniform(): number {
    const high = uint32() >>> 5;
    const low = uint32() >>> 6;
    return (high * 67108864 + low) / 9007199254740992;
  }
  function integer(bound: number): number {
    const limit = 4294967296 - (4294967296 % bound);
    let draw = uint32();
    while (draw >= limit) draw = uint32();
    return draw % bound;
  }
  let spare: number | undefined;
  function normal(): number {
    if (spare !== undefined) {
      const kept = spare;
      spare = undefined;
      return kept;
    }
    for (;;) {
      const u = 2 * uniform() - 1;
      const v = 2 * uniform() - 1;
      const radius = u * u + v * v;
      if (radius === 0 || radius >= 1) continue;
      const factor = Math.sqrt((-2 * Math.log(radius)) / radius);
      spare = v * factor;
      return u * factor;
    }
  }
  return {
    uint32,
    uniform,
    integer,
    normal,
    between: (low, high) => low + (high - low) * uniform(),
    chance: (probability) => uniform() < probability,
    shuffled: (items) => {
      const copy = [...items];
      for (let i = copy.length - 1; i > 0; i--) {
        const j = integer(i + 1);
        const kept = copy[i];
        copy[i] = copy[j] as (typeof copy)[number];
        copy[j] = kept as (typeof copy)[number];
      }
      return copy;
    },
  };
}
