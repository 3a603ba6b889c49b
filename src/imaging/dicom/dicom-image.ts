/**
 * What the product takes from one DICOM file: identity of its series, place and scale of each frame, the tags that
 * tell which sequence it is. Everything else stays in the file; no name, date or identifier of a patient is kept,
 * only a digest that tells one patient from another.
 *
 * Places are LPS millimetres, as DICOM has them (PS3.3, C.7.6.2.1.1).
 */
import type { ConsiliumError, Sha256 } from "../../base/index.ts";
import type { Triple } from "../volume.ts";

/** Where one frame lies, and what its stored values mean: value = stored * slope + intercept. */
export interface DicomFrame {
  /** From 0, in the file's order. */
  readonly index: number;
  /** Centre of the first voxel. Absent in images without a place in the patient. */
  readonly positionMm?: Triple;
  /** Directions in which columns (first three) and rows count up. */
  readonly orientation?: readonly number[];
  /** Between rows, between columns. */
  readonly pixelSpacingMm?: readonly [number, number];
  readonly slope: number;
  readonly intercept: number;
  readonly echoTimeMs?: number;
}

/** Tags by which a sequence is recognised; text as its bytes stand, which is enough for keywords. */
export interface SequenceTags {
  readonly description: string;
  readonly protocol: string;
  readonly sequenceName: string;
  /** SE, IR, GR, EP, RM. */
  readonly scanningSequence: readonly string[];
  readonly imageType: readonly string[];
  readonly contrastAgent: string;
  readonly repetitionTimeMs?: number;
  readonly inversionTimeMs?: number;
  readonly seriesNumber?: number;
}

/** How pixels are stored. */
export interface PixelLayout {
  readonly transferSyntax: string;
  readonly rows: number;
  readonly columns: number;
  readonly samplesPerPixel: number;
  readonly bitsAllocated: number;
  readonly bitsStored: number;
  readonly signed: boolean;
  readonly photometric: string;
}

export interface DicomImage {
  readonly path: string;
  readonly sopClass: string;
  readonly sopInstance: string;
  readonly series: string;
  readonly study: string;
  readonly frameOfReference: string;
  /** Digest of the patient's identifier; undefined where the file has none. */
  readonly patientDigest?: Sha256;
  /** MR, CT, SC and so on. */
  readonly modality: string;
  readonly layout: PixelLayout;
  readonly frames: readonly DicomFrame[];
  readonly tags: SequenceTags;
  /** `dicom-corrupt`: the file names its series, but its pixels are not all there. */
  readonly problem?: ConsiliumError;
}
