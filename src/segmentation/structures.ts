/** A task's regions as structures to outline: whole tumour, tumour core, enhancing tumour, each in a colour of its own. */
import type { Structure, Triple } from "../imaging/index.ts";
import type { Study } from "../study/index.ts";

/** In the order of regions; more of them begin again. */
const COLOURS: readonly Triple[] = [
  [70, 170, 80],
  [220, 60, 60],
  [240, 210, 70],
];

export function structuresOf({ regions }: Study["task"]): Structure[] {
  return Object.entries(regions).map(([name, classes], i) => ({ name, classes, colour: COLOURS[i % COLOURS.length] }));
}
