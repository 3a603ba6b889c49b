/**
 * What commands that measure share: the tolerance of the surface distance and the challenge whose lesion rules hold.
 * Their defaults are those of docs/METRICS.md.
 */
import type { LesionRulesName, MeasureOptions } from "../segmentation/index.ts";
import { option } from "./options.ts";

const LESION_RULE_NAMES = ["glioma", "meningioma", "metastases"] as const satisfies readonly LesionRulesName[];
const USUAL_RULES: LesionRulesName = "glioma";

export const measureOptions = {
  tolerance: option.number("MM", "of the normalised surface distance (default: 1)"),
  lesions: option.oneOf(`whose rules for lesions (default: ${USUAL_RULES})`, LESION_RULE_NAMES),
};

interface Given {
  readonly tolerance: number | undefined;
  readonly lesions: LesionRulesName | undefined;
}

/** What the options mean, with the name of the lesion rules. */
export async function measuresFrom({
  tolerance,
  lesions,
}: Given): Promise<MeasureOptions & { rules: LesionRulesName }> {
  const { LESION_RULES, USUAL_MEASURES } = await import("../segmentation/index.ts");
  const rules = lesions ?? USUAL_RULES;
  return { toleranceMm: tolerance ?? USUAL_MEASURES.toleranceMm, lesionRules: LESION_RULES[rules], rules };
}
