/**
 * Every series of MR images in a folder tree, however it is laid out: files are told by what they are, not by name.
 * Frames of a series that differ in orientation, size, spacing, echo or kind of image become stacks of their own, as
 * localisers and double echoes ask for.
 *
 * Invariants: the result does not depend on the order of files; nothing that was passed over goes unsaid; the same
 * file twice counts once, while two different images of one identifier spoil their series.
 */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { ConsiliumError, groupedBy, LIMITS } from "../../base/index.ts";
import { compare } from "../dataset.ts";
import type { DicomFrame, DicomImage, SequenceTags } from "./dicom-image.ts";
import { type PassedOver, readDicomImage } from "./read-dicom-image.ts";
import type { PlacedFrame } from "./stack-frames.ts";

/** Frames that may make a volume. */
export interface DicomSeries {
  readonly series: string;
  readonly study: string;
  readonly modality: string;
  readonly sopClass: string;
  readonly tags: SequenceTags;
  readonly frames: readonly PlacedFrame[];
  /** What spoils the series whole. */
  readonly problem?: ConsiliumError;
}

export interface DicomStudy {
  readonly study: string;
  readonly patientDigest: string | undefined;
  readonly series: readonly DicomSeries[];
  /** `patients-mixed`: images of several patients under one study. */
  readonly problem?: ConsiliumError;
  /** Sorted; where its files lie. */
  readonly folders: readonly string[];
}

export interface DicomScan {
  readonly studies: readonly DicomStudy[];
  readonly files: number;
  readonly passedOver: Readonly<Record<PassedOver, number>>;
  /** Copies of files that counted once. */
  readonly copies: number;
  readonly unreadable: readonly { readonly path: string; readonly error: ConsiliumError }[];
}

/**
 * @throws ConsiliumError `dataset-empty` without a DICOM image, `limit-exceeded`, or an error of the file system.
 */
export async function scanDicomFolder(
  dir: string,
  onFile: (done: number) => void = () => undefined,
): Promise<DicomScan> {
  const paths: string[] = [];
  await listFiles(dir, 0, paths);
  const passedOver = { encrypted: 0, other: 0, noImage: 0 };
  const unreadable: { path: string; error: ConsiliumError }[] = [];
  const images: DicomImage[] = [];
  for (const [i, path] of paths.entries()) {
    try {
      const image = await readDicomImage(path);
      if (typeof image === "string") passedOver[image]++;
      else images.push(image);
    } catch (error) {
      if (!(error instanceof ConsiliumError)) throw error;
      unreadable.push({ path, error });
    }
    onFile(i + 1);
  }
  if (images.length === 0) throw nothingFound(dir, paths.length, unreadable.length, passedOver.encrypted);
  const { kept, copies, clashes } = await withoutCopies(images);
  return { studies: studiesOf(kept, clashes), files: paths.length, passedOver, copies, unreadable };
}

async function listFiles(folder: string, depth: number, found: string[]): Promise<void> {
  const refuse = (expected: string): never => {
    throw new ConsiliumError("limit-exceeded", {
      subject: folder,
      expected,
      actual: "more",
      hint: "Take in a part of the folder at a time.",
    });
  };
  if (depth > LIMITS.dicomFolderDepth) refuse(`folders at most ${LIMITS.dicomFolderDepth} deep`);
  for (const name of (await readdir(folder)).sort(compare)) {
    if (name.startsWith(".")) continue;
    const path = join(folder, name);
    const entry = await stat(path).catch(() => undefined);
    if (entry?.isDirectory()) await listFiles(path, depth + 1, found);
    if (entry?.isFile() && entry.size > 0) found.push(path);
    if (found.length > LIMITS.dicomFiles) refuse(`at most ${LIMITS.dicomFiles} files`);
  }
}

function nothingFound(dir: string, files: number, unreadable: number, encrypted: number): ConsiliumError {
  const broken = unreadable > 0 ? `, ${unreadable} of them broken` : "";
  const locked = encrypted > 0 ? `, ${encrypted} of them encrypted` : "";
  return new ConsiliumError("dataset-empty", {
    subject: dir,
    expected: "DICOM images (PS3.10 files with a preamble)",
    actual: files === 0 ? "no file" : `none among ${files} files${broken}${locked}`,
    hint: "Check the folder; unpack archives, and decrypt what is encrypted, before intake.",
  });
}

async function withoutCopies(
  images: readonly DicomImage[],
): Promise<{ kept: DicomImage[]; copies: number; clashes: ReadonlySet<string> }> {
  const byInstance = new Map<string, { image: DicomImage; digest?: string }>();
  const kept: DicomImage[] = [];
  const clashes = new Set<string>();
  let copies = 0;
  for (const image of images) {
    const known = image.sopInstance === "" ? undefined : byInstance.get(image.sopInstance);
    if (known === undefined) {
      byInstance.set(image.sopInstance, { image });
      kept.push(image);
      continue;
    }
    known.digest ??= await digestOf(known.image.path);
    if (known.digest === (await digestOf(image.path))) {
      copies++;
    } else {
      for (const series of [known.image.series, image.series]) clashes.add(series);
    }
  }
  return { kept, copies, clashes };
}

async function digestOf(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest("hex");
}

function studiesOf(images: readonly DicomImage[], clashes: ReadonlySet<string>): DicomStudy[] {
  const byStudy = groupedBy(images, ({ study }) => study);
  return [...byStudy]
    .sort(([a], [b]) => compare(a, b))
    .map(([study, members]) => {
      const patients = new Set(members.map(({ patientDigest }) => patientDigest));
      const series = [...groupedBy(members, (image) => image.series)]
        .sort(([a], [b]) => compare(a, b))
        .flatMap(([uid, ofSeries]) => stacksOf(ofSeries, clashes.has(uid)));
      return {
        study,
        patientDigest: [...patients][0],
        series,
        folders: [...new Set(members.map(({ path }) => dirname(path)))].sort(compare),
        ...(patients.size > 1 && { problem: mixedPatients(patients.size) }),
      };
    });
}

function mixedPatients(count: number): ConsiliumError {
  return new ConsiliumError("patients-mixed", {
    subject: "study",
    expected: "images of one patient",
    actual: `${count} patient identifiers under one Study Instance UID`,
    hint: "Find out whose scans these are at the archive; intake never guesses it.",
  });
}

/** Directions differ by no more than their rounding. */
const DIRECTION_TOLERANCE = 2e-3;

function stacksOf(images: readonly DicomImage[], clash: boolean): DicomSeries[] {
  const groups: { key: string; frame: DicomFrame; frames: PlacedFrame[] }[] = [];
  for (const image of images) {
    for (const frame of image.frames) {
      const key = kindOf(image, frame);
      const group = groups.find((known) => known.key === key && sameDirections(known.frame, frame));
      if (group === undefined) groups.push({ key, frame, frames: [{ image, frame }] });
      else group.frames.push({ image, frame });
    }
  }
  return groups.map(({ frames }) => {
    const { series, study, modality, sopClass, tags } = frames[0].image;
    const problem = clash ? clashingInstances() : frames.find(({ image }) => image.problem)?.image.problem;
    return { series, study, modality, sopClass, tags, frames, ...(problem && { problem }) };
  });
}

function clashingInstances(): ConsiliumError {
  return new ConsiliumError("series-refused", {
    subject: "series",
    expected: "every image under an identifier of its own",
    actual: "two different images under one SOP Instance UID",
    hint: "One of them was altered: export the series again from its source.",
  });
}

function kindOf({ layout, tags }: DicomImage, { pixelSpacingMm, echoTimeMs }: DicomFrame): string {
  const spacing = pixelSpacingMm?.map((s) => s.toFixed(4)).join(" ");
  return [layout.rows, layout.columns, spacing, echoTimeMs?.toFixed(1), tags.imageType.slice(0, 4).join("/")].join("|");
}

function sameDirections(a: DicomFrame, b: DicomFrame): boolean {
  if (a.orientation === undefined || b.orientation === undefined) return a.orientation === b.orientation;
  const other = b.orientation;
  return a.orientation.every((cosine, i) => Math.abs(cosine - other[i]) <= DIRECTION_TOLERANCE);
}
