/** Scans that a case may lack, as `intake`, `cohort check` and `site data` take them. */
import { ConsiliumError } from "../base/index.ts";
import type { Modality } from "../imaging/index.ts";
import { option } from "./options.ts";

export const mayMissOption = option.list(
  "SCANS",
  "scans that a case may lack, of t1, t1ce, t2, flair, with commas between",
);

/** @throws ConsiliumError `usage` for what is no scan. */
export function parseMayMiss(typed: readonly string[] | undefined, command: string): readonly Modality[] | undefined {
  return typed?.map((each) => {
    const modality = (["t1", "t1ce", "t2", "flair"] as const).find((known) => known === each);
    if (modality !== undefined) return modality;
    throw new ConsiliumError("usage", {
      subject: `${command} --may-miss`,
      expected: "t1, t1ce, t2 or flair",
      actual: JSON.stringify(each),
      hint: `See \`${command} --help\`.`,
    });
  });
}
