/**
 * Canonical JSON (RFC 8785, JCS): one byte sequence per value, so that a hash or a signature of a record means the
 * record. Members are sorted by UTF-16 code units; numbers are written as ECMAScript writes them.
 */
import { ConsiliumError } from "./error.ts";

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json | undefined };

/** @throws ConsiliumError `message-invalid` for NaN and infinities, which JSON cannot carry. */
export function canonicalJson(value: Json): string {
  if (value === null || typeof value === "boolean" || typeof value === "string") return JSON.stringify(value);
  if (typeof value === "number") {
    if (!Number.isFinite(value)) {
      throw new ConsiliumError("message-invalid", {
        subject: "canonical JSON",
        expected: "a finite number",
        actual: String(value),
        hint: "Write null where a figure is undefined.",
      });
    }
    return JSON.stringify(value);
  }
  if (isArray(value)) return `[${value.map(canonicalJson).join(",")}]`;
  const members = Object.keys(value)
    .filter((key) => value[key] !== undefined)
    .sort()
    .map((key) => `${JSON.stringify(key)}:${canonicalJson(value[key] as Json)}`);
  return `{${members.join(",")}}`;
}

function isArray(value: Json): value is readonly Json[] {
  return Array.isArray(value);
}
