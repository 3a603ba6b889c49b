/**
 * `--labels`: how label maps are written, said the same way in every command that takes them. brats2021 writes
 * enhancing tumour as 4, brats2023 as 3; brats2024 as 3, and 4 is a resection cavity (docs/DATASETS.md).
 */
import type { LabelConvention } from "../imaging/index.ts";
import { option } from "./options.ts";

const CONVENTIONS = ["brats2021", "brats2023", "brats2024"] as const satisfies readonly LabelConvention[];

export const labelsOption = (help: string) => option.oneOf(help, CONVENTIONS);
