/** `cohort make`: writes phantoms, for demonstrations, tests and simulations without patients. */
import { defineCommand } from "../command.ts";
import { countOf } from "../format.ts";
import { option } from "../options.ts";

export const cohortMake = defineCommand({
  path: ["cohort", "make"],
  summary: "Make phantoms: brains with tumours, of no patient",
  description:
    "Writes a dataset in the layout of BraTS 2021. The same seed gives the same bytes. Sites differ in their scanners: " +
    "contrast, bias field, noise, resolution; cases take them in turn.",
  options: {
    cases: option.requiredInteger("how many", { min: 1 }),
    out: option.requiredText("DIR", "folder to write; new or empty"),
    seed: option.integerOr("seed", 0),
    sites: option.integerOr("scanners among the cases", 1, { min: 1 }),
    firstCase: option.integerOr("index of the first case, for cohorts of one seed that do not overlap", 0),
    firstSite: option.integerOr("index of the first scanner", 0),
    spacing: option.number("MM", "voxel size (default: 1)", { min: 0.5, max: 8 }),
  },
  examples: [
    "consilium cohort make --cases 40 --out phantoms",
    "consilium cohort make --cases 12 --out a --seed 7 --sites 3 --spacing 2",
  ],
  async run({ options, progress, signal }) {
    const { writeCohort } = await import("../../imaging/index.ts");
    const { out, cases, seed, sites, firstCase, firstSite, spacing = 1 } = options;
    const written = await writeCohort(
      { dir: out, cases, seed, sites, firstCase, firstSite, spacingMm: spacing },
      ({ done }) => {
        signal.throwIfAborted();
        progress.update({ label: "Making phantoms", done, total: cases, unit: "cases" });
      },
    );
    return {
      json: { dir: out, seed, sites, spacingMm: spacing, cases: written },
      text: `Wrote ${countOf(written.length, "case")} to ${out}.`,
    };
  },
});
