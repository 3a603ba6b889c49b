/**
 * Regions in the order that people read them and that a network's outputs have: those of more classes first. A study goes
 * to sites and journals as canonical JSON, whose keys are sorted: which order they were written in is told by nobody.
 */
import type { Study } from "./schema.ts";

export function orderedRegions({ task }: Pick<Study, "task">): Study["task"]["regions"] {
  const regions = Object.entries(task.regions).sort(
    ([nameA, a], [nameB, b]) => b.length - a.length || (nameA < nameB ? -1 : 1),
  );
  return Object.fromEntries(regions);
}

export function withOrderedRegions(study: Study): Study {
  return { ...study, task: { ...study.task, regions: orderedRegions(study) } };
}

/** What is told of each region, in the regions' order. */
export function inRegionOrder<T>(study: Pick<Study, "task">, byRegion: Readonly<Record<string, T>>): Record<string, T> {
  const names = Object.keys(orderedRegions(study)).filter((name) => Object.hasOwn(byRegion, name));
  return Object.fromEntries(names.map((name) => [name, byRegion[name]]));
}
