/**
 * How label values in files stand for classes. Inside the product classes are 0 background, 1 necrotic core,
 * 2 oedema, 3 enhancing tumour; files of BraTS 2012 to 2021 write enhancing tumour as 4, later ones as 3.
 */
import { ConsiliumError } from "../base/index.ts";
import type { Volume, VoxelArray } from "./volume.ts";

/** File value of each class, in the order of classes. */
const VALUES_OF_CLASSES = {
  brats2021: [0, 1, 2, 4],
  brats2023: [0, 1, 2, 3],
} as const satisfies Record<string, readonly number[]>;

export type LabelConvention = keyof typeof VALUES_OF_CLASSES;

export const LABEL_CONVENTIONS = Object.keys(VALUES_OF_CLASSES) as LabelConvention[];

/**
 * Label values of a file to classes. Values may be stored as floats, but must be whole.
 * @throws ConsiliumError `label-unknown` for a value that the convention does not have, each listed once.
 */
export function labelsToClasses(volume: Volume, convention: LabelConvention, subject: string): Volume<Uint8Array> {
  const { data, dims, affineVoxelToRas } = volume;
  const classOf = new Int16Array(256).fill(-1);
  for (const [index, value] of VALUES_OF_CLASSES[convention].entries()) classOf[value] = index;
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
  const values = VALUES_OF_CLASSES[convention];
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
  const allowed: readonly number[] = VALUES_OF_CLASSES[convention];
  const strange = new Map<number, number>();
  for (const value of data) {
    if (!allowed.includes(value)) strange.set(value, (strange.get(value) ?? 0) + 1);
    if (strange.size > LISTED_VALUES) break;
  }
  const values = [...strange.keys()].sort((a, b) => a - b);
  const listed = values.slice(0, LISTED_VALUES).join(", ") + (values.length > LISTED_VALUES ? ", ..." : "");
  const other = LABEL_CONVENTIONS.find(
    (name) =>
      name !== convention && values.every((value) => (VALUES_OF_CLASSES[name] as readonly number[]).includes(value)),
  );
  const fractional = values.some((value) => !Number.isInteger(value));
  const hint =
    other !== undefined
      ? `If enhancing tumour is ${VALUES_OF_CLASSES[other][3]} here, say so: labels ${other}.`
      : fractional
        ? "Labels must be whole: resample label maps with nearest neighbour, never linearly."
        : "Correct the label map, or leave the case out.";
  return new ConsiliumError("label-unknown", {
    subject,
    expected: `only labels ${allowed.join(", ")} (${convention})`,
    actual: `also ${listed}`,
    hint,
  });
}
