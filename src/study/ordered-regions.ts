/** Regions in the order that people read them. */
import type { Study } from "./schema.ts";

/** Those of more classes first: a journal keeps what was declared, and not in which order its keys were written. */
export function orderedRegions({ task }: Pick<Study, "task">): Study["task"]["regions"] {
  const regions = Object.entries(task.regions).sort(
    ([nameA, a], [nameB, b]) => b.length - a.length || (nameA < nameB ? -1 : 1),
  );
  return Object.fromEntries(regions);
}
