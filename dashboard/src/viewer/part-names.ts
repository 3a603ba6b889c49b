/** The parts of a case, and which of them a file's name says it is. */
export const SCANS = [
  { part: "t1ce", label: "T1 with contrast" },
  { part: "t1", label: "T1" },
  { part: "t2", label: "T2" },
  { part: "flair", label: "FLAIR" },
] as const;

export type Scan = (typeof SCANS)[number]["part"];
export type MapPart = "labels" | "prediction";
export type Part = Scan | MapPart;

const NAMES: readonly (readonly [RegExp, Part])[] = [
  [/(pred|prediction|tumou?r|label-map|draft)[.]nii([.]gz)?$/i, "prediction"],
  [/seg[.]nii([.]gz)?$/i, "labels"],
  [/(t1ce|t1c|t1gd)[.]nii([.]gz)?$/i, "t1ce"],
  [/(t1|t1n)[.]nii([.]gz)?$/i, "t1"],
  [/(t2f|flair)[.]nii([.]gz)?$/i, "flair"],
  [/(t2|t2w)[.]nii([.]gz)?$/i, "t2"],
];

/** In the layouts of BraTS; undefined where a name says none. */
export function partOfName(name: string): Part | undefined {
  return NAMES.find(([pattern]) => pattern.test(name))?.[1];
}
