/**
 * The four series of a study that intake works on: of each modality the one recognised most surely, then the one with
 * the finest slices, then the later one. A table by the site overrules recognition, in both directions; it never
 * overrules geometry, nor a mixture of patients. Of a series of several echoes that the table names, the echo is used
 * that recognition would take.
 *
 * A scan may be absent where that is declared. T1 with contrast never is: the other scans are registered to it.
 *
 * Invariant: a study with a series that was meant and cannot be read fails with that series' error, rather than going
 * on with a worse one or as if it were absent.
 */
import { ConsiliumError, renamed } from "../../base/index.ts";
import { MODALITIES, type Modality } from "../../study/index.ts";
import { readTable } from "../csv.ts";
import { compare } from "../dataset.ts";
import { spacingMmOf } from "../volume.ts";
import { MIN_CONFIDENCE, recogniseModality } from "./recognise-modality.ts";
import type { DicomSeries, DicomStudy } from "./scan-series.ts";
import { type FrameStack, stackFrames } from "./stack-frames.ts";

/** Columns that intake's own table of series has beside the two that count. */
const NOTES = ["case", "subject", "study", "confidence", "frames", "reason", "folder"];

/** Something of each scan that a case has; T1 with contrast is always one of them. */
export type ByScan<T> = { readonly [M in Modality]?: T | undefined } & { readonly t1ce: T };

/** In the order of `MODALITIES`. */
export function scansOf<T>(values: ByScan<T>): readonly (readonly [Modality, T])[] {
  return MODALITIES.flatMap((modality) => {
    const value = values[modality];
    return value === undefined ? [] : [[modality, value] as const];
  });
}

/** By Series Instance UID. */
export type SeriesOverrules = ReadonlyMap<string, Modality | "no">;

export interface SeriesVerdict {
  readonly series: DicomSeries;
  readonly modality: Modality | undefined;
  readonly confidence: number;
  readonly reason: string;
  readonly used: boolean;
}

export interface ChosenSeries {
  readonly stacks: ByScan<FrameStack>;
  /** Declared as such, and not there. */
  readonly missing: readonly Modality[];
  readonly verdicts: readonly SeriesVerdict[];
}

/**
 * Reads a table with the columns `series` and `use` (t1, t1ce, t2, flair or no).
 * @throws ConsiliumError `dataset-invalid` and those of reading a table.
 */
export async function readSeriesOverrules(path: string): Promise<SeriesOverrules> {
  const rows = await readTable(path, { required: ["series", "use"], optional: NOTES });
  const overrules = new Map<string, Modality | "no">();
  for (const { line, cells } of rows) {
    const use = ([...MODALITIES, "no"] as const).find((known) => known === cells.use);
    if (use === undefined || cells.series === "" || overrules.has(cells.series)) {
      throw new ConsiliumError("dataset-invalid", {
        subject: `table of series, line ${line}`,
        expected: `a Series Instance UID, once, and one of ${MODALITIES.join(", ")} or no`,
        actual: `${JSON.stringify(cells.series)}, ${JSON.stringify(cells.use)}`,
        hint: "Correct the line.",
      });
    }
    overrules.set(cells.series, use);
  }
  return overrules;
}

/** What is thought of every series of a study, whether or not it can be used. */
export function judgeSeries(study: DicomStudy, overrules: SeriesOverrules): Omit<SeriesVerdict, "used">[] {
  return study.series.map((series) => {
    const said = overrules.get(series.series);
    if (said === "no") return { series, modality: undefined, confidence: 1, reason: "the site's table says no" };
    if (said !== undefined) return { series, modality: said, confidence: 1, reason: "the site's table says so" };
    const found = recogniseModality(series);
    if (found.kind === "other") return { series, modality: undefined, confidence: 0, reason: found.reason };
    const { modality, confidence, reason } = found;
    return { series, modality, confidence, reason };
  });
}

/**
 * @param mayMiss scans that the study may lack. One that may be there under a name that says too little is no missing
 *   one: it is refused until a table says what it is.
 * @throws ConsiliumError `patients-mixed`; `modality-missing`; the error of a series that was meant: `series-refused`,
 *   `series-incomplete`, `geometry-invalid`, `dicom-corrupt`.
 */
export function chooseSeries(
  study: DicomStudy,
  overrules: SeriesOverrules,
  subject: string,
  mayMiss: readonly Modality[] = [],
): ChosenSeries {
  if (study.problem !== undefined) throw study.problem;
  const judged = judgeSeries(study, overrules);
  const chosen = new Map<DicomSeries, FrameStack>();
  const stacks: Partial<Record<Modality, FrameStack>> = {};
  const [missing, lacking]: [Modality[], string[]] = [[], []];
  for (const modality of MODALITIES) {
    const best = bestOf(judged.filter((v) => v.modality === modality && v.confidence >= MIN_CONFIDENCE));
    if (best === undefined) {
      const mayBeMissing = modality !== "t1ce" && mayMiss.includes(modality);
      // A series that may be the scan, or that contradicts itself, is not passed over as if there were none.
      const unsure = judged.filter((v) => isUnsure(v) && (mayBeMissing || v.modality === modality)).length;
      if (unsure > 0) lacking.push(`${modality} (${unsure} unsure)`);
      else if (mayBeMissing) missing.push(modality);
      else lacking.push(modality);
      continue;
    }
    stacks[modality] = best.stack;
    chosen.set(best.series, best.stack);
  }
  if (lacking.length > 0) {
    const found = judged.filter((v) => v.modality !== undefined).map((v) => v.modality);
    throw new ConsiliumError("modality-missing", {
      subject,
      expected: `series of ${MODALITIES.filter((modality) => !missing.includes(modality)).join(", ")}`,
      actual: `no ${lacking.join(", no ")}; recognised: ${found.length === 0 ? "none" : found.join(", ")}`,
      hint: lacking.includes("t1ce") && mayMiss.includes("t1ce") ? REFERENCE_HINT : MISSING_HINT,
    });
  }
  return {
    stacks: stacks as ByScan<FrameStack>,
    missing,
    verdicts: judged.map((verdict) => ({ ...verdict, used: chosen.has(verdict.series) })),
  };
}

const isUnsure = ({ modality, confidence }: Pick<SeriesVerdict, "modality" | "confidence">): boolean =>
  modality !== undefined && confidence < MIN_CONFIDENCE;

const MISSING_HINT =
  "Where a series was not recognised, name it in a table of series and give it with --series; that a scan may be missing " +
  "is declared, not guessed: see docs/INTAKE.md.";
const REFERENCE_HINT = "T1 with contrast cannot be missed: the other scans are registered to it.";

interface Candidate {
  readonly series: DicomSeries;
  readonly stack: FrameStack;
}

function bestOf(verdicts: readonly Omit<SeriesVerdict, "used">[]): Candidate | undefined {
  const candidates: (Candidate & { confidence: number; coarsestMm: number; recognised: number })[] = [];
  let first: ConsiliumError | undefined;
  for (const { series, confidence, modality } of verdicts) {
    const name = `${modality} series ${series.tags.seriesNumber ?? ""}`.trim();
    try {
      if (series.problem !== undefined) throw renamed(series.problem, name);
      const stack = stackFrames(series.frames, name);
      const coarsestMm = Math.max(...spacingMmOf(stack.affineVoxelToRas));
      candidates.push({ series, stack, confidence, coarsestMm, recognised: recognisedAs(series, modality) });
    } catch (error) {
      if (!(error instanceof ConsiliumError)) throw error;
      // A few slices in another direction are a localiser that somebody named after its sequence.
      if (series.frames.length >= FEW_FRAMES) first ??= error;
    }
  }
  if (first !== undefined) throw first;
  return candidates.sort(
    (a, b) =>
      b.confidence - a.confidence ||
      a.coarsestMm - b.coarsestMm ||
      (b.series.tags.seriesNumber ?? 0) - (a.series.tags.seriesNumber ?? 0) ||
      compare(a.series.series, b.series.series) ||
      b.recognised - a.recognised,
  )[0];
}

/** How surely its tags alone tell that a series is of the modality. */
function recognisedAs(series: DicomSeries, modality: Modality | undefined): number {
  const found = recogniseModality(series);
  return found.kind === "modality" && found.modality === modality ? found.confidence : 0;
}

/** As many frames were meant as a volume. */
const FEW_FRAMES = 10;
