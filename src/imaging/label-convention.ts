/**
 * How label values in files stand for classes. Inside the product classes are 0 background, 1 necrotic core,
 * 2 oedema, 3 enhancing tumour; files of BraTS 2012 to 2021 write enhancing tumour as 4, later ones as 3.
 *
 * After an operation there is a cavity, which BraTS 2024 writes as 4 (de Verdier et al. 2024, arXiv:2405.18368): the
 * very value that was enhancing tumour before. A cavity is no tumour and belongs to none of WT, TC and ET, so it is
 * read as background, and only where `brats2024` is declared.
 *
 * Invariant: no convention is ever inferred from the values of a file; a value that the declared one does not have is
 * refused, with the conventions that would have it.
 */
import { ConsiliumError } from "../base/index.ts";
import type { Volume, VoxelArray } from "./volume.ts";

interface Convention {
  /** File value of each class, in the order of classes. */
  readonly values: readonly number[];
  /** File value of a resection cavity, which is read as background and never written. */
  readonly cavity?: number;
}

const CONVENTIONS = {
  brats2021: { values: [0, 1, 2, 4] },
  brats2023: { values: [0, 1, 2, 3] },
  brats2024: { values: [0, 1, 2, 3], cavity: 4 },
} as const satisfies Record<string, Convention>;

export type LabelConvention = keyof typeof CONVENTIONS;

/** Every value that a file of the convention may hold. */
function valuesOf(convention: LabelConvention): readonly number[] {
  const { values, cavity }: Convention = CONVENTIONS[convention];
  return cavity === undefined ? values : [...values, cavity];
}

/**
 * Label values of a file to classes. Values may be stored as floats, but must be whole.
 * @throws ConsiliumError `label-unknown` for a value that the convention does not have, each listed once.
 */
export function labelsToClasses(volume: Volume, convention: LabelConvention, subject: string): Volume<Uint8Array> {
  const { data, dims, affineVoxelToRas } = volume;
  const classOf = new Int16Array(256).fill(-1);
  const { values, cavity }: Convention = CONVENTIONS[convention];
  for (const [index, value] of values.entries()) classOf[value] = index;
  if (cavity !== undefined) classOf[cavity] = 0;
  const classes = new Uint8Array(data.length);
  for (let i = 0; i < data.length; i++) {
    const value = data[i];
    // Negative, fractional and NaN values find no entry, and neither do those over 255.
    const found = classOf[value] ?? -1;
    if (found < 0) throw unknownLabels(data, convention, subject);
    classes[i] = found;
  }
  return { dims, data: classes, affineVoxelToRas };
}

/** Classes to the label values of a file. */
export function classesToLabels(classes: Uint8Array, convention: LabelConvention): Uint8Array {
  const { values } = CONVENTIONS[convention];
  return classes.map((index) => {
    if (index >= values.length) {
      throw new ConsiliumError("label-unknown", {
        subject: "label map to write",
        expected: `classes 0 to ${values.length - 1}`,
        actual: String(index),
        hint: "Only classes of the task can be written under this convention.",
      });
    }
    return values[index];
  });
}

const LISTED_VALUES = 8;

function unknownLabels(data: VoxelArray, convention: LabelConvention, subject: string): ConsiliumError {
  const allowed = valuesOf(convention);
  const strange = new Map<number, number>();
  for (const value of data) {
    if (!allowed.includes(value)) strange.set(value, (strange.get(value) ?? 0) + 1);
    if (strange.size > LISTED_VALUES) break;
  }
  const values = [...strange.keys()].sort((a, b) => a - b);
  const listed = values.slice(0, LISTED_VALUES).join(", ") + (values.length > LISTED_VALUES ? ", ..." : "");
  const fractional = values.some((value) => !Number.isInteger(value));
  const hint =
    hintOfOthers(data, convention) ??
    (fractional
      ? "Labels must be whole: resample label maps with nearest neighbour, never linearly."
      : "Correct the label map, or leave the case out.");
  return new ConsiliumError("label-unknown", {
    subject,
    expected: `only labels ${allowed.join(", ")} (${convention})`,
    actual: `also ${listed}`,
    hint,
  });
}

/** The conventions that have every value of the file, each with what it would mean. */
function hintOfOthers(data: VoxelArray, convention: LabelConvention): string | undefined {
  const fits = (name: LabelConvention): boolean => {
    const allowed = valuesOf(name);
    return name !== convention && data.every((value: number) => allowed.includes(value));
  };
  const meanings = [
    ...(fits("brats2021") ? ["if enhancing tumour is 4 here, labels brats2021"] : []),
    ...(fits("brats2023") ? ["if enhancing tumour is 3 here, labels brats2023"] : []),
    ...(fits("brats2024") && data.includes(4) ? ["if 4 is a resection cavity here, labels brats2024"] : []),
  ];
  return meanings.length === 0 ? undefined : `Say what the values mean: ${meanings.join("; ")}.`;
}
