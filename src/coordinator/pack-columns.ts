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
  if (values.every(isMembers)) return packRecords(values);
  if (values.every((value) => value === first)) return { same: plain(first) };
  if (values.every((value) => typeof value === "number")) return packNumbers(values);
  if (values.every((value): value is string => typeof value === "string" && isSha256(value))) {
    return { digests: Buffer.from(values.join(""), "hex").toString("base64") };
  }
  const texts = values.map(canonicalJson);
  return texts.every((text) => text === texts[0]) ? { same: plain(first) } : { values: values.map(plain) };
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

/** Records of which every member is the same are the same. */
function packRecords(records: readonly Members[]): Column {
  const keys = new Set(records.flatMap(Object.keys));
  const members: Record<string, Member> = {};
  const same: Record<string, Json> = {};
  for (const key of [...keys].sort()) {
    const member = packMember(records, key);
    if (member === undefined) continue;
    members[key] = member;
    if ("same" in member) same[key] = member.same;
  }
  return Object.keys(same).length === Object.keys(members).length ? { same } : { members };
}

function packMember(records: readonly Members[], key: string): Member | undefined {
  const at: number[] = [];
  const values: Json[] = [];
  for (const [i, record] of records.entries()) {
    const value = Object.hasOwn(record, key) ? record[key] : undefined;
    if (value === undefined) continue;
    at.push(i);
    values.push(value);
  }
  if (values.length === 0) return undefined;
  return values.length === records.length ? packColumn(values) : { at, column: packColumn(values) };
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
