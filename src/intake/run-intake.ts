/**
 * Intake of a folder of DICOM into a dataset: studies found and named by pseudonyms, their series chosen, each case
 * brought to the atlas in a thread of its own, and what is done written down as a dataset with its table, a page of
 * pictures and a report on what was removed.
 *
 * Invariants
 * - One broken case never stops another; it stands in the page with its code, and is tried again on the next run.
 * - What is done stays in the dataset until the same study was recognised as something else; no failure to recognise it
 *   takes it out.
 * - A run that was killed at any moment goes on with the state that each case had reached.
 * - No output but the table of links, which is asked for by name and lies outside the dataset, says whose scan it is.
 */
import { mkdir, readdir, rm } from "node:fs/promises";
import { join, relative, resolve } from "node:path";
import { ConsiliumError, LIMITS } from "../base/index.ts";
import {
  type ChosenSeries,
  caseFileName,
  chooseSeries,
  type DicomScan,
  judgeSeries,
  MANIFEST_NAME,
  MODALITIES,
  type Modality,
  manifestText,
  readSeriesOverrules,
  type SeriesOverrules,
  scanDicomFolder,
  writeFileAtomically,
} from "../imaging/index.ts";
import { lockFolder } from "../protocol/index.ts";
import { type Atlas, OWN_ATLAS, ownAtlas } from "./atlas.ts";
import { runCases } from "./case-pool.ts";
import {
  type CaseRecord,
  type CaseState,
  intakeFolder,
  newRecord,
  readRecord,
  readRecords,
  STATES,
  writeRecord,
} from "./case-record.ts";
import { renderDeidentification } from "./deidentification.ts";
import { checkStudiesKnown, digestOfLabels, type GivenLabels, readLabelTable } from "./given-labels.ts";
import { writeIntakePages } from "./intake-page.ts";
import { keepOptions, type LastingOptions, settleOptions } from "./lasting-options.ts";
import { type NamedStudy, openBook, type RegisterBook } from "./register-book.ts";
import { type CaseOrder, DATASET_LABELS, sourcesOf } from "./run-case.ts";
import { type JudgedStudy, linksTable } from "./series-links.ts";

export interface IntakeOptions extends LastingOptions {
  readonly from: string;
  readonly out: string;
  /** Go by these options alone, and by none that the intake was begun with. */
  readonly otherOptions?: boolean;
  readonly workers: number;
  /** Where to write which case is which study; outside the dataset. */
  readonly links?: string;
  readonly signal?: AbortSignal;
  readonly onFile?: (done: number) => void;
  readonly onState?: (caseId: string, state: CaseState, ended: number, cases: number) => void;
}

export interface IntakeResult {
  /** Of this run's studies, sorted by case. */
  readonly records: readonly CaseRecord[];
  /** Cases that stay as they were done, although their studies would not be recognised any more. */
  readonly notAgain: readonly { readonly caseId: string; readonly error: ConsiliumError }[];
  /** Done in this run or before. */
  readonly casesInDataset: number;
  readonly atlas: string;
  readonly scan: Pick<DicomScan, "files" | "passedOver" | "copies"> & { readonly unreadable: number };
  readonly page: string;
}

/** @throws ConsiliumError `file-exists`, `home-locked`, `dataset-empty`, and those of reading atlas and tables. */
export async function runIntake(options: IntakeOptions): Promise<IntakeResult> {
  const out = resolve(options.out);
  checkLinks(options.links, out);
  checkMayMiss(options.mayMiss);
  await checkFolder(out);
  await mkdir(intakeFolder(out), { recursive: true, mode: 0o700 });
  const lock = await lockFolder(intakeFolder(out), "lock", "intake");
  try {
    return await work({ ...options, out });
  } finally {
    lock.release();
  }
}

function checkLinks(links: string | undefined, out: string): void {
  if (links === undefined || relative(out, resolve(links)).startsWith("..")) return;
  throw new ConsiliumError("usage", {
    subject: "consilium intake --links",
    expected: "a file outside the dataset, since it says whose scan is whose",
    actual: "one within it",
    hint: "Keep it where the site keeps its patients' data.",
  });
}

function checkMayMiss(mayMiss: readonly Modality[] = []): void {
  if (!mayMiss.includes("t1ce")) return;
  throw new ConsiliumError("usage", {
    subject: "consilium intake --may-miss",
    expected: "some of t1, t2, flair",
    actual: mayMiss.join(", "),
    hint: "T1 with contrast cannot be missed: the other scans are registered to it, and the atlas too.",
  });
}

async function checkFolder(out: string): Promise<void> {
  const names = await readdir(out).catch((): string[] => []);
  if (names.length === 0 || names.includes("intake")) return;
  throw new ConsiliumError("file-exists", {
    subject: out,
    expected: "a new folder, or one that intake made",
    actual: `${names.length} other entries`,
    hint: "Name a new folder.",
  });
}

async function work(options: IntakeOptions): Promise<IntakeResult> {
  const { out, signal } = options;
  await mkdir(join(intakeFolder(out), "cases"), { recursive: true });
  const begun = (await readRecords(out)).some(({ state }) => STATES.indexOf(state) > STATES.indexOf("recognised"));
  // A named atlas is refused before anything is done; the product's own is made only where a case needs it.
  const run = await settleOptions(out, options, { begun, anew: options.otherOptions ?? false });
  const { lasting, atlas: named, settings } = run;
  const overrules: SeriesOverrules = lasting.series ? await readSeriesOverrules(lasting.series) : new Map();
  const scan = await scanDicomFolder(options.from, (done) => {
    signal?.throwIfAborted();
    options.onFile?.(done);
  });
  const book = await openBook(out);
  const studies = await book.name(scan.studies);
  const recognised: Recognised[] = [];
  const drawn = await readDrawn(lasting.labelMaps, scan);
  await keepOptions(out, run);
  for (const named of studies) {
    const labels = drawn.get(named.study.study);
    recognised.push(
      await recognise(named, {
        overrules,
        out,
        book,
        settings,
        mayMiss: lasting.mayMiss ?? [],
        ...(labels && { labels }),
      }),
    );
  }
  const ended = await runOpenCases(recognised, { ...options, ...lasting }, named);
  const records = recognised.map(({ record }) => ended.get(record.caseId) ?? record);
  if (options.links !== undefined) {
    await writeFileAtomically(options.links, Buffer.from(linksTable(recognised)));
  }
  const all = await readRecords(out);
  const done = all.filter(isDone);
  await writeDataset(out, done);
  const verdicts = new Map(recognised.map(({ record, verdicts: found }) => [record.caseId, found]));
  const page = await writeIntakePages({ out, records: all, verdicts, atlas: named?.name ?? OWN_ATLAS });
  await writeFileAtomically(join(intakeFolder(out), "deidentification.md"), Buffer.from(renderDeidentification(all)));
  const { files, passedOver, copies, unreadable } = scan;
  return {
    records: [...records].sort((a, b) => (a.caseId < b.caseId ? -1 : 1)),
    notAgain: recognised.flatMap(({ record: { caseId }, notAgain }) => (notAgain ? [{ caseId, error: notAgain }] : [])),
    casesInDataset: done.length,
    atlas: named?.name ?? OWN_ATLAS,
    scan: { files, passedOver, copies, unreadable: unreadable.length },
    page,
  };
}

interface Recognised extends JudgedStudy {
  readonly record: CaseRecord;
  readonly chosen?: ChosenSeries;
  readonly labels?: GivenLabels;
  /** Why a case that is done would not be recognised as its study is now. */
  readonly notAgain?: ConsiliumError;
}

function isDone({ state, failure }: CaseRecord): boolean {
  return state === "done" && failure === undefined;
}

async function readDrawn(
  labelMaps: IntakeOptions["labelMaps"],
  { studies }: DicomScan,
): Promise<ReadonlyMap<string, GivenLabels>> {
  if (labelMaps === undefined) return new Map();
  const table = await readLabelTable(labelMaps.table);
  checkStudiesKnown(table, new Set(studies.map(({ study }) => study)));
  return new Map([...table].map(([study, path]) => [study, { path, convention: labelMaps.convention }]));
}

interface RecogniseOptions {
  readonly overrules: SeriesOverrules;
  readonly out: string;
  readonly book: RegisterBook;
  readonly settings: string;
  readonly mayMiss: readonly Modality[];
  readonly labels?: GivenLabels;
}

async function recognise(
  named: NamedStudy,
  { overrules, out, book, settings, mayMiss, labels }: RecogniseOptions,
): Promise<Recognised> {
  const { study, caseId, subject } = named;
  const earlier = await readRecord(out, caseId);
  try {
    const chosen = chooseSeries(study, overrules, `case ${caseId}`, mayMiss);
    const instances = MODALITIES.map((modality) =>
      (chosen.stacks[modality]?.frames ?? []).map(({ image, frame }) => `${image.sopInstance}#${frame.index}`),
    );
    const drawn = labels === undefined ? "" : ` labels ${await digestOfLabels(labels)}`;
    const sources = book.digest(`sources ${settings} ${JSON.stringify(instances)}${drawn}`);
    if (earlier?.sources === sources && earlier.state !== "found") {
      return { ...named, record: earlier, verdicts: chosen.verdicts, chosen, ...(labels && { labels }) };
    }
    await rm(join(out, caseId), { recursive: true, force: true });
    const { missing } = chosen;
    const record: CaseRecord = {
      ...newRecord(caseId, subject, sources),
      state: "recognised",
      ...(missing.length > 0 && { missing: [...missing] }),
    };
    await writeRecord(out, record);
    return { ...named, record, verdicts: chosen.verdicts, chosen, ...(labels && { labels }) };
  } catch (error) {
    if (!(error instanceof ConsiliumError)) throw error;
    const verdicts = judgeSeries(study, overrules).map((verdict) => ({ ...verdict, used: false }));
    if (earlier !== undefined && isDone(earlier)) return { ...named, record: earlier, verdicts, notAgain: error };
    const failure = { towards: "recognised" as const, ...error.toJSON() };
    const record: CaseRecord = { ...newRecord(caseId, subject, ""), failure };
    await writeRecord(out, record);
    return { ...named, record, verdicts };
  }
}

async function runOpenCases(
  recognised: readonly Recognised[],
  { out, workers, noHeads = false, brainModel, signal, onState }: IntakeOptions,
  named: Atlas | undefined,
): Promise<ReadonlyMap<string, CaseRecord>> {
  const orders = recognised.flatMap(({ record, chosen, labels }): CaseOrder[] => {
    return chosen === undefined || isDone(record)
      ? []
      : [{ out, sources: sourcesOf(chosen.stacks), record, noHeads, ...(labels && { labels }) }];
  });
  if (orders.length === 0) return new Map();
  let ended = 0;
  const records = await runCases(orders, {
    setup: { atlas: named ?? ownAtlas(), ...(brainModel && { brainModel }) },
    workers: Math.min(workers, LIMITS.intakeWorkers),
    ...(signal && { signal }),
    onState(caseId, state) {
      if (state === "done") ended++;
      onState?.(caseId, state, ended, orders.length);
    },
  });
  return new Map(records.map((record) => [record.caseId, record]));
}

/** The dataset's table; without a case there is none, and an earlier one goes. */
async function writeDataset(out: string, done: readonly CaseRecord[]): Promise<void> {
  const path = join(out, MANIFEST_NAME);
  if (done.length === 0) {
    await rm(path, { force: true });
    return;
  }
  const rows = done.map(({ caseId, subject, labels, missing = [] }) => ({
    id: caseId,
    subject,
    images: Object.fromEntries(
      MODALITIES.filter((modality) => !missing.includes(modality)).map((modality) => [
        modality,
        `${caseId}/${caseFileName(caseId, modality, DATASET_LABELS)}`,
      ]),
    ),
    ...(labels && { labelMap: `${caseId}/${caseFileName(caseId, "labelMap", DATASET_LABELS)}` }),
  }));
  await writeFileAtomically(path, Buffer.from(manifestText(rows)));
}
