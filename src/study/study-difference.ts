/** What changed from one study to another, key by key: shown to a reviewer who approved the earlier one. */
import { canonicalJson, type Json } from "../base/index.ts";
import type { Study } from "./schema.ts";

export interface StudyChange {
  /** Dotted path, such as `rounds.count`. */
  readonly path: string;
  /** Canonical JSON; absent where the key is new. */
  readonly before?: string;
  /** Canonical JSON; absent where the key is gone. */
  readonly after?: string;
}

/** Changes in order of path; empty exactly where both studies have the same hash. */
export function studyDifference(before: Study, after: Study): StudyChange[] {
  const old = leaves(before);
  const now = leaves(after);
  return [...new Set([...old.keys(), ...now.keys()])]
    .sort()
    .filter((path) => old.get(path) !== now.get(path))
    .map((path) => {
      const [a, b] = [old.get(path), now.get(path)];
      return { path, ...(a !== undefined && { before: a }), ...(b !== undefined && { after: b }) };
    });
}

function leaves(value: Json, path = "", found = new Map<string, string>()): Map<string, string> {
  const isSection = typeof value === "object" && value !== null && !Array.isArray(value);
  const entries = isSection ? Object.entries(value).filter(([, each]) => each !== undefined) : [];
  if (!isSection || entries.length === 0) {
    found.set(path, canonicalJson(value));
    return found;
  }
  for (const [key, each] of entries) leaves(each as Json, path === "" ? key : `${path}.${key}`, found);
  return found;
}
