/**
 * The header of NIfTI-1 and NIfTI-2 files, reading and writing. Reading answers facts that are already checked: a
 * three-dimensional grid, a type that is read here, an affine in millimetres. Free text (descrip, aux_file,
 * intent_name, db_name) is neither read nor written, since it may name a patient.
 *
 * The affine is the sform where sform_code > 0, else the qform where qform_code > 0, else voxel sizes alone
 * (nifti1.h, METHODS 3, 2, 1). By the last, left and right are unknown; `affineSource` says so.
 */
import { ConsiliumError, LIMITS } from "../base/index.ts";
import { affineOfQform, checkAffine, qformOfAffine } from "./affine.ts";
import {
  LAYOUTS,
  type NiftiVersion,
  readStored,
  type StoredHeader,
  singleFileOffset,
  versionOf,
  writeStored,
} from "./nifti-layout.ts";
import { NIFTI_TYPES, type NiftiType, nameOfRefusedType, niftiTypeOfCode } from "./nifti-types.ts";
import type { Affine, Triple } from "./volume.ts";

/** As much of a file as tells all that its header says, whichever version it is. */
export const HEADER_START_BYTES = singleFileOffset(2);

export interface NiftiHeader {
  readonly version: NiftiVersion;
  readonly littleEndian: boolean;
  readonly type: NiftiType;
  readonly dims: Triple;
  readonly affineVoxelToRas: Affine;
  readonly affineSource: "sform" | "qform" | "voxelSizes";
  readonly sformCode: number;
  readonly qformCode: number;
  /** Value = slope * stored + intercept; 1 and 0 where the file says that nothing is scaled. */
  readonly slope: number;
  readonly intercept: number;
  /** Byte at which voxels begin. */
  readonly voxelOffset: number;
}

/** xyzt_units, lower three bits: how many millimetres a unit is. Unknown is taken as mm, as every reader does. */
const MM_PER_UNIT: Readonly<Record<number, number>> = { 0: 1, 1: 1000, 2: 1, 3: 0.001 };

function corrupt(subject: string, expected: string, actual: string): ConsiliumError {
  const hint = "The file is damaged or no NIfTI file: copy or export it again.";
  return new ConsiliumError("nifti-corrupt", { subject, expected, actual, hint });
}

function unsupported(subject: string, expected: string, actual: string, hint: string): ConsiliumError {
  return new ConsiliumError("nifti-unsupported", { subject, expected, actual, hint });
}

/**
 * @param bytes at least the first HEADER_START_BYTES of a decompressed file, or all of a shorter one.
 * @throws ConsiliumError `nifti-corrupt`, `nifti-unsupported`, `geometry-invalid`, `limit-exceeded`.
 */
export function parseNiftiHeader(bytes: Uint8Array, subject: string): NiftiHeader {
  const { version, littleEndian, view } = recognise(bytes, subject);
  checkMagic(bytes, version, subject);
  const stored = readStored(view, version, littleEndian);
  const type = niftiTypeOfCode(stored.datatype);
  if (type === undefined) {
    throw unsupported(
      subject,
      `one of ${Object.keys(NIFTI_TYPES).join(", ")}`,
      nameOfRefusedType(stored.datatype),
      "Convert the image to a plain integer or float type.",
    );
  }
  if (stored.bitpix !== 8 * NIFTI_TYPES[type].bytes) {
    throw corrupt(subject, `bitpix ${8 * NIFTI_TYPES[type].bytes} for ${type}`, String(stored.bitpix));
  }
  const dims = gridOf(stored.dim, subject);
  const voxelBytes = dims[0] * dims[1] * dims[2] * NIFTI_TYPES[type].bytes;
  if (voxelBytes > LIMITS.volumeBytes) {
    throw new ConsiliumError("limit-exceeded", {
      subject,
      expected: `a volume of at most ${LIMITS.volumeBytes} bytes`,
      actual: `${dims.join(" x ")} voxels of ${type}, ${voxelBytes} bytes`,
      hint: "Resample or crop the image first.",
    });
  }
  return {
    version,
    littleEndian,
    type,
    dims,
    ...affineOf(stored, subject),
    ...scalingOf(stored.sclSlope, stored.sclInter, subject),
    voxelOffset: offsetOf(stored.voxOffset, version, subject),
  };
}

function recognise(
  bytes: Uint8Array,
  subject: string,
): { version: NiftiVersion; littleEndian: boolean; view: DataView } {
  const tooShort = (least: number): ConsiliumError =>
    corrupt(subject, `at least ${least} bytes of header`, `${bytes.length} bytes`);
  if (bytes.length < singleFileOffset(1)) throw tooShort(singleFileOffset(1));
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const found = versionOf(view);
  if (found === undefined) {
    const sizes = `${LAYOUTS[1].headerBytes} (NIfTI-1) or ${LAYOUTS[2].headerBytes} (NIfTI-2)`;
    throw corrupt(subject, `a header size of ${sizes}`, String(view.getInt32(0, true)));
  }
  if (bytes.length < singleFileOffset(found.version)) throw tooShort(singleFileOffset(found.version));
  return { ...found, view };
}

function checkMagic(bytes: Uint8Array, version: NiftiVersion, subject: string): void {
  const { at, single, pair } = LAYOUTS[version].magic;
  const magic = Buffer.from(bytes.subarray(at, at + single.length)).toString("latin1");
  if (magic === single) return;
  const advice = "Convert it to a single .nii or .nii.gz file.";
  if (magic === pair)
    throw unsupported(subject, "one file", "a header whose voxels are in another file (.img)", advice);
  if (magic === "\0\0\0\0")
    throw unsupported(subject, "NIfTI-1", "ANALYZE 7.5, which cannot tell left from right", advice);
  throw corrupt(subject, `the magic ${JSON.stringify(single)}`, JSON.stringify(magic));
}

function gridOf(dim: readonly number[], subject: string): Triple {
  const rank = dim[0];
  if (rank < 1 || rank > 7) throw corrupt(subject, "1 to 7 dimensions", String(rank));
  const sizes = dim.slice(1, rank + 1);
  if (sizes.some((size) => size < 1)) throw corrupt(subject, "at least one voxel along every axis", sizes.join(" x "));
  if (rank < 3 || sizes.slice(3).some((size) => size !== 1)) {
    throw unsupported(
      subject,
      "a three-dimensional image",
      `${rank} dimensions (${sizes.join(" x ")})`,
      "Give one volume: split a series into its volumes, or join slices into one.",
    );
  }
  return [sizes[0], sizes[1], sizes[2]];
}

function offsetOf(stored: number, version: NiftiVersion, subject: string): number {
  const least = singleFileOffset(version);
  // Some writers leave 0 for "right after the header", and readers take it so.
  if (stored === 0) return least;
  if (Number.isInteger(stored) && stored >= least && stored <= LIMITS.volumeBytes) return stored;
  throw corrupt(subject, `a whole vox_offset of at least ${least}`, String(stored));
}

/** A slope of 0 means "not scaled" (nifti1.h); so do NaN or infinity, which nibabel writes and takes for it. */
function scalingOf(slope: number, intercept: number, subject: string): { slope: number; intercept: number } {
  if (slope === 0 || !Number.isFinite(slope)) return { slope: 1, intercept: 0 };
  if (!Number.isFinite(intercept)) throw corrupt(subject, "a finite scl_inter beside a slope", String(intercept));
  return { slope, intercept };
}

type Placement = Pick<NiftiHeader, "affineVoxelToRas" | "affineSource" | "sformCode" | "qformCode">;

function affineOf(stored: StoredHeader, subject: string): Placement {
  const { qformCode, sformCode, pixdim } = stored;
  const mmPerUnit = MM_PER_UNIT[stored.xyztUnits & 7];
  if (mmPerUnit === undefined) throw corrupt(subject, "millimetres, metres or micrometres", "another spatial unit");

  const spacing: Triple = [pixdim[1], pixdim[2], pixdim[3]];
  if (sformCode <= 0 && spacing.some((size) => size < 0)) {
    throw new ConsiliumError("geometry-invalid", {
      subject,
      expected: "positive voxel sizes (pixdim)",
      actual: spacing.join(" x "),
      hint: "Correct the image's pixdim, or export it again from its source.",
    });
  }
  let affineSource: NiftiHeader["affineSource"] = "voxelSizes";
  let affine: Affine = [spacing[0], 0, 0, 0, 0, spacing[1], 0, 0, 0, 0, spacing[2], 0, 0, 0, 0, 1];
  if (sformCode > 0) {
    affineSource = "sform";
    affine = [...stored.srow, 0, 0, 0, 1];
  } else if (qformCode > 0) {
    affineSource = "qform";
    const [b, c, d] = stored.quatern;
    const [x, y, z] = stored.qoffset;
    if (b * b + c * c + d * d > 1 + 1e-4) {
      throw new ConsiliumError("geometry-invalid", {
        subject,
        expected: "a qform quaternion no longer than 1",
        actual: [b, c, d].join(" "),
        hint: "Correct the image's qform, or export it again from its source.",
      });
    }
    const qfac = pixdim[0] < 0 ? -1 : 1;
    affine = affineOfQform({ quaternion: [b, c, d], offset: [x, y, z], qfac, spacingMm: spacing });
  }
  // Plus zero: a header's -0 is 0, so that equal placements are equal numbers.
  const affineVoxelToRas = affine.map((value, i) => (i < 12 ? value * mmPerUnit + 0 : value));
  checkAffine(affineVoxelToRas, subject);
  return { affineVoxelToRas, affineSource, sformCode, qformCode };
}

export interface HeaderToWrite {
  readonly littleEndian: boolean;
  readonly type: NiftiType;
  readonly dims: Triple;
  readonly affineVoxelToRas: Affine;
  readonly slope: number;
  readonly intercept: number;
  /** 1 scanner, 2 aligned, 3 Talairach, 4 MNI 152. */
  readonly spaceCode: number;
}

/** The longest axis that NIfTI-1 can hold: its sizes have 16 bits. */
const LONGEST_AXIS_1 = 32767;

/**
 * The header and four zero bytes, which say that no extension follows: 352 bytes of NIfTI-1, or 544 of NIfTI-2 where
 * an axis is too long for NIfTI-1. The qform is written too where the affine has no shear.
 */
export function encodeNiftiHeader(header: HeaderToWrite): Uint8Array {
  const { littleEndian, dims, affineVoxelToRas: affine, spaceCode } = header;
  const version = dims.some((size) => size > LONGEST_AXIS_1) ? 2 : 1;
  const bytes = new Uint8Array(singleFileOffset(version));
  const qform = qformOfAffine(affine);
  const spacing = [0, 1, 2].map((c) => Math.hypot(affine[c], affine[4 + c], affine[8 + c]));
  writeStored(new DataView(bytes.buffer), version, littleEndian, {
    dim: [3, ...dims, 1, 1, 1, 1],
    datatype: NIFTI_TYPES[header.type].code,
    bitpix: 8 * NIFTI_TYPES[header.type].bytes,
    pixdim: [qform?.qfac ?? 1, ...spacing, 1, 1, 1, 1],
    voxOffset: bytes.length,
    sclSlope: header.slope,
    sclInter: header.intercept,
    xyztUnits: 2, // millimetres
    qformCode: qform === undefined ? 0 : spaceCode,
    sformCode: spaceCode,
    quatern: qform?.quaternion ?? [0, 0, 0],
    qoffset: qform?.offset ?? [0, 0, 0],
    srow: affine.slice(0, 12),
  });
  if (version === 1) bytes[38] = 0x72; // "regular", which ANALYZE readers ask for
  return bytes;
}
