/** SHA-256 (FIPS 180-4) as lower-case hexadecimal: the only digest in the product. */
import { createHash } from "node:crypto";

/** 64 lower-case hexadecimal digits. */
export type Sha256 = string;

export function sha256(...parts: readonly (Uint8Array | string)[]): Sha256 {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest("hex");
}

export function isSha256(text: string): boolean {
  return /^[0-9a-f]{64}$/.test(text);
}
