/** What changed from one study to another, a line a key. */
import type { StudyChange } from "../study/index.ts";

export function changeLines(changes: readonly StudyChange[]): string[] {
  return changes.map(({ path, before, after }) => `  - ${path}: ${before ?? "nothing"} became ${after ?? "nothing"}`);
}

/** Beside the study before it, where there was one. */
export function changesSection(
  before: { readonly name: string; readonly changes: readonly StudyChange[] } | null,
): string {
  if (before === null) return "It is the first study.";
  const { name, changes } = before;
  if (changes.length === 0) return `Nothing changed since "${name}".`;
  return [`Changed since "${name}"`, ...changeLines(changes)].join("\n");
}
