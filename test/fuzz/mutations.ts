/** Bytes, texts and numbers that nobody who follows a protocol sends, from a seed. */
import type { Random } from "../../src/base/index.ts";

/** How many inputs each fuzz test tries: `CONSILIUM_FUZZ=20000 npx vitest run --project fast test/fuzz` tries more. */
export const FUZZ_RUNS = Number(process.env.CONSILIUM_FUZZ ?? 150);
/** Another seed, another history: what fails names it. */
export const FUZZ_SEED = Number(process.env.CONSILIUM_FUZZ_SEED ?? 1);

export function pick<T>(random: Random, items: readonly T[]): T {
  return items[random.integer(items.length)];
}

export function randomBytes(random: Random, most: number): Uint8Array {
  return Uint8Array.from({ length: random.integer(most + 1) }, () => random.integer(256));
}

/** One to four of: a bit flipped, a byte replaced, a stretch removed, repeated, or put in; the end cut off. */
export function mutated(random: Random, bytes: Uint8Array): Uint8Array {
  let result = Uint8Array.from(bytes);
  for (let times = 1 + random.integer(4); times > 0; times--) {
    const at = random.integer(result.length + 1);
    const length = random.integer(Math.min(64, result.length - at) + 1);
    const [before, middle, after] = [result.slice(0, at), result.slice(at, at + length), result.slice(at + length)];
    const joined = (...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> => Uint8Array.from(Buffer.concat(parts));
    switch (random.integer(6)) {
      case 0:
        if (at < result.length) result[at] ^= 1 << random.integer(8);
        break;
      case 1:
        if (at < result.length) result[at] = pick(random, [0, 127, 128, 255]);
        break;
      case 2:
        result = joined(before, after);
        break;
      case 3:
        result = joined(before, middle, middle, after);
        break;
      case 4:
        result = joined(before, randomBytes(random, 16), middle, after);
        break;
      default:
        result = before;
    }
  }
  return result;
}

const WORDS = [
  "",
  "0",
  "-1",
  "null",
  "{}",
  "[]",
  "constructor",
  "__proto__",
  "toString",
  "a".repeat(300),
  "é\u0000\ud800",
  "../../etc",
  "%s%n",
  "🧠".repeat(50),
];

export function randomText(random: Random): string {
  return random.chance(0.1) ? pick(random, WORDS).repeat(1 + random.integer(2000)) : pick(random, WORDS);
}

export function randomUint32(random: Random): number {
  return pick(random, [0, 1, 2, 3, 255, 65_536, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, random.uint32()]);
}

export function randomUint64(random: Random): bigint {
  return pick(random, [0n, 1n, 40n, 2n ** 31n, 2n ** 53n, 2n ** 53n + 1n, 2n ** 63n - 1n, 2n ** 64n - 1n]);
}

export function randomDouble(random: Random): number {
  return pick(random, [
    0,
    -0,
    1,
    -1,
    0.5,
    5e-324,
    1.7976931348623157e308,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    Number.NEGATIVE_INFINITY,
  ]);
}
