/**
 * Canonical JSON (RFC 8785, JCS): one byte sequence per value, so that a hash or a signature of a record means the
 * record. Members are sorted by UTF-16 code units; numbers are written as ECMAScript writes them.
 */
import { ConsiliumError } from "./error.ts";

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json | undefined };

/** @throws ConsiliumError `message-invalid` for NaN and infinities, which JSON cannot carry. */
export function canonicalJson(value: Json): string {
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value === "number") return numberText(value);
  if (value === null || typeof value === "boolean") return String(value);
  return isArray(value) ? arrayText(value) : objectText(value);
}

function arrayText(values: readonly Json[]): string {
  let text = "[";
  for (let i = 0; i < values.length; i++) text += (i === 0 ? "" : ",") + canonicalJson(values[i]);
  return `${text}]`;
}

function objectText(value: { readonly [key: string]: Json | undefined }): string {
  let text = "{";
  for (const key of Object.keys(value).sort()) {
    const member = value[key];
    if (member === undefined) continue;
    text += `${(text === "{" ? "" : ",") + JSON.stringify(key)}:${canonicalJson(member)}`;
  }
  return `${text}}`;
}

function numberText(value: number): string {
  if (Number.isFinite(value)) return JSON.stringify(value);
  throw new ConsiliumError("message-invalid", {
    subject: "canonical JSON",
    expected: "a finite number",
    actual: String(value),
    hint: "Write null where a figure is undefined.",
  });
}

function isArray(value: Json): value is readonly Json[] {
  return Array.isArray(value);
}
