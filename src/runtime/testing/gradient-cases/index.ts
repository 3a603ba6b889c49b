/** All cases of gradient rules; what has no case here is not tested, and `docs/OPERATORS.md` says so. */
import type { GradientCase } from "../gradient-case.ts";
import { ACTIVATION_CASES } from "./activation-cases.ts";
import { ELEMENTWISE_CASES } from "./elementwise-cases.ts";
import { LAYOUT_CASES } from "./layout-cases.ts";
import { REDUCTION_CASES } from "./reduction-cases.ts";
import { SPATIAL_CASES } from "./spatial-cases.ts";

export const GRADIENT_CASES: readonly GradientCase[] = [
  ...ELEMENTWISE_CASES,
  ...ACTIVATION_CASES,
  ...REDUCTION_CASES,
  ...LAYOUT_CASES,
  ...SPATIAL_CASES,
];
