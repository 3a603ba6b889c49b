/**
 * Where a gradient rule stops: uses of an operator that are refused in words, for the page of operators. Each stands
 * beside a case in `gradient-limits.test.ts` in which it is refused.
 */
import type { OpType } from "../graph/index.ts";

export const GRADIENT_LIMITS = {
  BatchNormalization: "not through the running statistics that it also gives",
  Dropout: "mode and `ratio` known before the graph runs",
  Einsum: "no label twice in one operand",
  LayerNormalization: "not through the statistics that it also gives",
  Pad: "negative pads in mode constant only",
  Resize: "`antialias` 0; no cropping (`tf_crop_and_resize`)",
  ScatterElements: "`reduction` none or add",
  ScatterND: "`reduction` none or add",
} as const satisfies Partial<Record<OpType, string>>;
