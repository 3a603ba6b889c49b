/**
 * The 348-byte NIfTI-1 header (nifti1.h), reading and writing. Reading answers facts that are already checked: a
 * three-dimensional grid, a type that is read here, an affine in millimetres. Free text (descrip, aux_file,
 * intent_name, db_name) is neither read nor written, since it may name a patient.
 *
 * The affine is the sform where sform_code > 0, else the qform where qform_code > 0, else voxel sizes alone
 * (nifti1.h, METHODS 3, 2, 1). By the last, left and right are unknown; `affineSource` says so.
 */
import { ConsiliumError, LIMITS } from "../base/index.ts";
import { affineOfQform, checkAffine, qformOfAffine } from "./affine.ts";
import { NIFTI_TYPES, type NiftiType, nameOfRefusedType, niftiTypeOfCode } from "./nifti-types.ts";
import type { Affine, Triple } from "./volume.ts";

export const HEADER_BYTES = 348;
/** Header, then four bytes that say that no extension follows. */
export const SINGLE_FILE_OFFSET = 352;

export interface NiftiHeader {
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
  const hint = "The file is damaged or no NIfTI-1 file: copy or export it again.";
  return new ConsiliumError("nifti-corrupt", { subject, expected, actual, hint });
}

function unsupported(subject: string, expected: string, actual: string, hint: string): ConsiliumError {
  return new ConsiliumError("nifti-unsupported", { subject, expected, actual, hint });
}

/**
 * @param bytes at least the first 352 bytes of a decompressed file.
 * @throws ConsiliumError `nifti-corrupt`, `nifti-unsupported`, `geometry-invalid`, `limit-exceeded`.
 */
export function parseNiftiHeader(bytes: Uint8Array, subject: string): NiftiHeader {
  if (bytes.length < HEADER_BYTES + 4) {
    throw corrupt(subject, `at least ${HEADER_BYTES + 4} bytes of header`, `${bytes.length} bytes`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const littleEndian = byteOrder(view, subject);
  const int16 = (at: number): number => view.getInt16(at, littleEndian);
  const float = (at: number): number => view.getFloat32(at, littleEndian);

  checkMagic(bytes, subject);
  const type = niftiTypeOfCode(int16(70));
  if (type === undefined) {
    throw unsupported(
      subject,
      `one of ${Object.keys(NIFTI_TYPES).join(", ")}`,
      nameOfRefusedType(int16(70)),
      "Convert the image to a plain integer or float type.",
    );
  }
  if (int16(72) !== 8 * NIFTI_TYPES[type].bytes) {
    throw corrupt(subject, `bitpix ${8 * NIFTI_TYPES[type].bytes} for ${type}`, String(int16(72)));
  }
  const dims = gridOf(int16, subject);
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
    littleEndian,
    type,
    dims,
    ...affineOf(view, littleEndian, subject),
    ...scalingOf(float(112), float(116), subject),
    voxelOffset: offsetOf(float(108), subject),
  };
}

function byteOrder(view: DataView, subject: string): boolean {
  for (const littleEndian of [true, false]) {
    const size = view.getInt32(0, littleEndian);
    if (size === HEADER_BYTES) return littleEndian;
    if (size === 540) {
      throw unsupported(subject, "NIfTI-1", "NIfTI-2", "Convert it to NIfTI-1, for instance with nibabel or FSL.");
    }
  }
  throw corrupt(subject, `a header size of ${HEADER_BYTES}`, String(view.getInt32(0, true)));
}

function checkMagic(bytes: Uint8Array, subject: string): void {
  const magic = Buffer.from(bytes.subarray(344, 348)).toString("latin1");
  if (magic === "n+1\0") return;
  const advice = "Convert it to a single .nii or .nii.gz file.";
  if (magic === "ni1\0")
    throw unsupported(subject, "one file", "a header whose voxels are in another file (.img)", advice);
  if (magic === "\0\0\0\0")
    throw unsupported(subject, "NIfTI-1", "ANALYZE 7.5, which cannot tell left from right", advice);
  throw corrupt(subject, 'the magic "n+1"', JSON.stringify(magic));
}

function gridOf(int16: (at: number) => number, subject: string): Triple {
  const rank = int16(40);
  if (rank < 1 || rank > 7) throw corrupt(subject, "1 to 7 dimensions", String(rank));
  const sizes = Array.from({ length: rank }, (_, axis) => int16(42 + 2 * axis));
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

function offsetOf(stored: number, subject: string): number {
  // Some writers leave 0 for "right after the header", and readers take it so.
  if (stored === 0) return SINGLE_FILE_OFFSET;
  if (Number.isInteger(stored) && stored >= SINGLE_FILE_OFFSET && stored <= LIMITS.volumeBytes) return stored;
  throw corrupt(subject, `a whole vox_offset of at least ${SINGLE_FILE_OFFSET}`, String(stored));
}

/** A slope of 0 means "not scaled" (nifti1.h); so do NaN or infinity, which nibabel writes and takes for it. */
function scalingOf(slope: number, intercept: number, subject: string): { slope: number; intercept: number } {
  if (slope === 0 || !Number.isFinite(slope)) return { slope: 1, intercept: 0 };
  if (!Number.isFinite(intercept)) throw corrupt(subject, "a finite scl_inter beside a slope", String(intercept));
  return { slope, intercept };
}

type Placement = Pick<NiftiHeader, "affineVoxelToRas" | "affineSource" | "sformCode" | "qformCode">;

function affineOf(view: DataView, littleEndian: boolean, subject: string): Placement {
  const float = (at: number): number => view.getFloat32(at, littleEndian);
  const floats = (at: number, count: number): number[] => Array.from({ length: count }, (_, i) => float(at + 4 * i));
  const qformCode = view.getInt16(252, littleEndian);
  const sformCode = view.getInt16(254, littleEndian);
  const mmPerUnit = MM_PER_UNIT[view.getUint8(123) & 7];
  if (mmPerUnit === undefined) throw corrupt(subject, "millimetres, metres or micrometres", "another spatial unit");

  const spacing = floats(80, 3) as unknown as Triple;
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
    affine = [...floats(280, 12), 0, 0, 0, 1];
  } else if (qformCode > 0) {
    affineSource = "qform";
    const [b, c, d, x, y, z] = floats(256, 6);
    if (b * b + c * c + d * d > 1 + 1e-4) {
      throw new ConsiliumError("geometry-invalid", {
        subject,
        expected: "a qform quaternion no longer than 1",
        actual: [b, c, d].join(" "),
        hint: "Correct the image's qform, or export it again from its source.",
      });
    }
    const qfac = float(76) < 0 ? -1 : 1;
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

/** 352 bytes: the header and the empty extension flag. The qform is written too where the affine has no shear. */
export function encodeNiftiHeader(header: HeaderToWrite): Uint8Array {
  const bytes = new Uint8Array(SINGLE_FILE_OFFSET);
  const view = new DataView(bytes.buffer);
  const { littleEndian, dims, affineVoxelToRas: affine } = header;
  const int16 = (at: number, value: number): void => view.setInt16(at, value, littleEndian);
  const floats = (at: number, values: readonly number[]): void => {
    for (const [i, value] of values.entries()) view.setFloat32(at + 4 * i, value, littleEndian);
  };
  const qform = qformOfAffine(affine);
  const spacing = [0, 1, 2].map((c) => Math.hypot(affine[c], affine[4 + c], affine[8 + c]));

  view.setInt32(0, HEADER_BYTES, littleEndian);
  bytes[38] = 0x72; // "regular", which ANALYZE readers ask for
  for (const [i, value] of [3, ...dims, 1, 1, 1, 1].entries()) int16(40 + 2 * i, value);
  int16(70, NIFTI_TYPES[header.type].code);
  int16(72, 8 * NIFTI_TYPES[header.type].bytes);
  floats(76, [qform?.qfac ?? 1, ...spacing, 1, 1, 1, 1]);
  floats(108, [SINGLE_FILE_OFFSET, header.slope, header.intercept]);
  bytes[123] = 2; // millimetres
  int16(252, qform === undefined ? 0 : header.spaceCode);
  int16(254, header.spaceCode);
  if (qform !== undefined) floats(256, [...qform.quaternion, ...qform.offset]);
  floats(280, affine.slice(0, 12));
  bytes.set(Buffer.from("n+1\0", "latin1"), 344);
  return bytes;
}
