/**
 * Many records of one shape, as few characters: a column for each member instead of its name in each record, one value
 * where all are equal, whole numbers by their distance to the least, other numbers and digests as base64.
 *
 * Invariants: plain JSON to plain JSON, so that it may stand in the coordinator's state; equal records pack to equal
 * texts, whatever the order of their members; unpacked they have the same values, members sorted, and 0 for -0, as a
 * journal brings them back.
 */
import { canonicalJson, isSha256, type Json } from "../base/index.ts";

interface Members {
  readonly [key: string]: Json | undefined;
}

/** One value for all; whole numbers above `least`; doubles; digests; records by member; or as they are. */
export type Column =
  | { readonly same: Json }
  | { readonly least: number; readonly above: readonly number[] }
  | { readonly doubles: string }
  | { readonly digests: string }
  | { readonly members: { readonly [key: string]: Member } }
  | { readonly values: readonly Json[] };

/** A member that only some records have names them. */
type Member = Column | { readonly at: readonly number[]; readonly column: Column };

const DOUBLE_BYTES = 8;
const DIGEST_BYTES = 32;

export function packColumn(values: readonly Json[]): Column {
  const [first] = values;
  if (first === undefined) return { values: [] };
  const text = canonicalJson(first);
  if (values.every((value) => value === first || canonicalJson(value) === text)) return { same: plain(first) };
  if (values.every((value) => typeof value === "number")) return packNumbers(values);
  if (values.every((value): value is string => typeof value === "string" && isSha256(value))) {
    return { digests: Buffer.from(values.join(""), "hex").toString("base64") };
  }
  return values.every(isMembers) ? { members: packMembers(values) } : { values: values.map(plain) };
}

/** @param count of the values that were packed */
export function unpackColumn(column: Column, count: number): Json[] {
  if ("same" in column) return Array.from({ length: count }, () => column.same);
  if ("above" in column) return column.above.map((above) => column.least + above);
  if ("doubles" in column) {
    const bytes = Buffer.from(column.doubles, "base64");
    return Array.from({ length: count }, (_, i) => bytes.readDoubleLE(DOUBLE_BYTES * i));
  }
  if ("digests" in column) {
    const text = Buffer.from(column.digests, "base64").toString("hex");
    return Array.from({ length: count }, (_, i) => text.slice(2 * DIGEST_BYTES * i, 2 * DIGEST_BYTES * (i + 1)));
  }
  return "members" in column ? unpackMembers(column.members, count) : [...column.values];
}

function packNumbers(values: readonly number[]): Column {
  if (values.every(Number.isSafeInteger)) {
    const least = Math.min(...values);
    if (Math.max(...values) - least <= Number.MAX_SAFE_INTEGER) {
      return { least: least + 0, above: values.map((value) => value - least) };
    }
  }
  const bytes = Buffer.alloc(DOUBLE_BYTES * values.length);
  // Plus 0: a journal knows no -0.
  for (const [i, value] of values.entries()) bytes.writeDoubleLE(value + 0, DOUBLE_BYTES * i);
  return { doubles: bytes.toString("base64") };
}

function packMembers(records: readonly Members[]): Record<string, Member> {
  const keys = new Set(records.flatMap((record) => Object.keys(record).filter((key) => record[key] !== undefined)));
  const packed: Record<string, Member> = {};
  for (const key of [...keys].sort()) {
    const at = records.flatMap((record, i) => (Object.hasOwn(record, key) && record[key] !== undefined ? [i] : []));
    const column = packColumn(at.map((i) => records[i][key] as Json));
    packed[key] = at.length === records.length ? column : { at, column };
  }
  return packed;
}

function unpackMembers(members: { readonly [key: string]: Member }, count: number): Json[] {
  const records = Array.from({ length: count }, (): Record<string, Json> => ({}));
  for (const [key, member] of Object.entries(members)) {
    const at = "at" in member ? member.at : undefined;
    const values = unpackColumn("at" in member ? member.column : member, at?.length ?? count);
    for (const [i, value] of values.entries()) records[at?.[i] ?? i][key] = value;
  }
  return records;
}

/** The value as a journal brings it back. */
function plain(value: Json): Json {
  return JSON.parse(canonicalJson(value)) as Json;
}

function isMembers(value: Json): value is Members {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
