/** What `segment` and `serve` look at: a prepared case, or a study that intake brings to one, as one thing. */
import { ConsiliumError } from "../base/index.ts";
import type { ByScan, CaseFiles, LabelConvention, Modality, SourceSeries, Volume } from "../imaging/index.ts";
import type { StudyOptions, StudySource } from "../intake/index.ts";

export interface OpenedScan {
  readonly files: CaseFiles;
  readonly convention: LabelConvention;
  /** The series that DICOM objects refer to; undefined where there is none. */
  readonly source: SourceSeries | undefined;
  /** Labels on the grid that the scan came on. */
  restore(labelMap: Volume<Uint8Array>): Volume<Uint8Array>;
  close(): Promise<void>;
}

/** A folder of one skull-stripped, registered case. @throws ConsiliumError as `scanDataset`, and `usage` for several. */
export async function openCase(
  dir: string,
  options: { readonly labels?: LabelConvention; readonly mayMiss?: readonly Modality[] },
): Promise<OpenedScan> {
  const { scanDataset } = await import("../imaging/index.ts");
  const { cases, problems, convention } = await scanDataset(dir, options);
  if (problems.length > 0) throw problems[0].error;
  if (cases.length !== 1) {
    throw new ConsiliumError("usage", {
      subject: "consilium segment --case",
      expected: "the folder of one case",
      actual: `a folder with ${cases.length} cases`,
      hint: `Name one of them, such as ${cases[0].id}.`,
    });
  }
  const { labelMap: _, ...files } = cases[0];
  return { files, convention, source: undefined, restore: (labelMap) => labelMap, close: () => Promise.resolve() };
}

/** A study that goes through intake first. */
export async function openStudy(
  source: StudySource,
  labels: LabelConvention | undefined,
  options: StudyOptions,
): Promise<OpenedScan> {
  const { takeInStudy } = await import("../intake/index.ts");
  const study = await takeInStudy(source, options);
  return { ...study, convention: labels ?? "brats2021" };
}

/**
 * `t1=a.nii,t1ce=b.nii,t2=c.nii,flair=d.nii` as it was typed.
 * @param mayMiss what the model was trained to do without.
 * @throws ConsiliumError `usage`; `modality-missing` for a scan that is not named and may not be missing.
 */
export function parseImages(typed: readonly string[], mayMiss: readonly Modality[] = []): ByScan<string> {
  const images = new Map(typed.map((part) => [part.slice(0, part.indexOf("=")), part.slice(part.indexOf("=") + 1)]));
  const named = SCANS.filter((scan) => images.get(scan));
  if (named.length === typed.length && named.length > 0) {
    checkMissing(
      SCANS.filter((scan) => !named.includes(scan)),
      mayMiss,
    );
    return Object.fromEntries(images) as unknown as ByScan<string>;
  }
  throw new ConsiliumError("usage", {
    subject: "consilium segment --images",
    expected: "t1=FILE,t1ce=FILE,t2=FILE,flair=FILE",
    actual: typed.join(","),
    hint: "Name each of the four scans once; one may be absent where the model was trained for that.",
  });
}

const SCANS = ["t1", "t1ce", "t2", "flair"] as const;

function checkMissing(missing: readonly Modality[], mayMiss: readonly Modality[]): void {
  const needed = missing.filter((scan) => scan === "t1ce" || !mayMiss.includes(scan));
  if (needed.length === 0) return;
  throw new ConsiliumError("modality-missing", {
    subject: "consilium segment --images",
    expected: `scans of ${SCANS.filter((scan) => scan === "t1ce" || !mayMiss.includes(scan)).join(", ")}`,
    actual: `no ${needed.join(", no ")}`,
    hint: needed.includes("t1ce")
      ? "T1 with contrast is always needed: the other scans are registered to it."
      : "Add the scan, or take a model that was trained without it (task.mayMiss).",
  });
}
