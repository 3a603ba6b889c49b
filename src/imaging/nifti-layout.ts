/**
 * Where the fields of a NIfTI header lie: version 1 in 348 bytes (nifti1.h), version 2 in 540 with wider numbers and
 * another order (nifti2.h). What both versions say is one record, so that the rules for reading it stand once.
 *
 * Only fields that are read or written here are listed. Both versions are stored in either byte order; the header's
 * own size, its first field, tells version and order.
 */

export type NiftiVersion = 1 | 2;

/** A header's numbers as they stand in the file, unchecked. */
export interface StoredHeader {
  readonly datatype: number;
  readonly bitpix: number;
  /** Number of axes, then seven sizes. */
  readonly dim: readonly number[];
  /** qfac, then seven voxel sizes. */
  readonly pixdim: readonly number[];
  readonly voxOffset: number;
  readonly sclSlope: number;
  readonly sclInter: number;
  readonly xyztUnits: number;
  readonly qformCode: number;
  readonly sformCode: number;
  /** b, c, d. */
  readonly quatern: readonly number[];
  readonly qoffset: readonly number[];
  /** Three rows of four. */
  readonly srow: readonly number[];
}

type Kind = "uint8" | "int16" | "int32" | "int64" | "float32" | "float64";
type Field = readonly [at: number, kind: Kind, count?: number];

interface Layout {
  readonly headerBytes: number;
  readonly magic: { readonly at: number; readonly single: string; readonly pair: string };
  readonly fields: Readonly<Record<keyof StoredHeader, Field>>;
}

export const LAYOUTS: Readonly<Record<NiftiVersion, Layout>> = {
  1: {
    headerBytes: 348,
    magic: { at: 344, single: "n+1\0", pair: "ni1\0" },
    fields: {
      dim: [40, "int16", 8],
      datatype: [70, "int16"],
      bitpix: [72, "int16"],
      pixdim: [76, "float32", 8],
      voxOffset: [108, "float32"],
      sclSlope: [112, "float32"],
      sclInter: [116, "float32"],
      xyztUnits: [123, "uint8"],
      qformCode: [252, "int16"],
      sformCode: [254, "int16"],
      quatern: [256, "float32", 3],
      qoffset: [268, "float32", 3],
      srow: [280, "float32", 12],
    },
  },
  2: {
    headerBytes: 540,
    // The line ends in it show a file that was taken for text on its way.
    magic: { at: 4, single: "n+2\0\r\n\x1a\n", pair: "ni2\0\r\n\x1a\n" },
    fields: {
      datatype: [12, "int16"],
      bitpix: [14, "int16"],
      dim: [16, "int64", 8],
      pixdim: [104, "float64", 8],
      voxOffset: [168, "int64"],
      sclSlope: [176, "float64"],
      sclInter: [184, "float64"],
      qformCode: [344, "int32"],
      sformCode: [348, "int32"],
      quatern: [352, "float64", 3],
      qoffset: [376, "float64", 3],
      srow: [400, "float64", 12],
      xyztUnits: [500, "int32"],
    },
  },
};

/** Header and the four bytes after it, which say whether extensions follow. */
export function singleFileOffset(version: NiftiVersion): number {
  return LAYOUTS[version].headerBytes + 4;
}

/** Version and byte order, or undefined where the first field is neither version's size. */
export function versionOf(view: DataView): { version: NiftiVersion; littleEndian: boolean } | undefined {
  for (const littleEndian of [true, false]) {
    const size = view.getInt32(0, littleEndian);
    if (size === LAYOUTS[1].headerBytes) return { version: 1, littleEndian };
    if (size === LAYOUTS[2].headerBytes) return { version: 2, littleEndian };
  }
  return undefined;
}

interface Codec {
  readonly bytes: number;
  readonly read: (view: DataView, at: number, littleEndian: boolean) => number;
  readonly write: (view: DataView, at: number, value: number, littleEndian: boolean) => void;
}

const CODECS: Readonly<Record<Kind, Codec>> = {
  uint8: { bytes: 1, read: (view, at) => view.getUint8(at), write: (view, at, value) => view.setUint8(at, value) },
  int16: {
    bytes: 2,
    read: (view, at, le) => view.getInt16(at, le),
    write: (view, at, v, le) => view.setInt16(at, v, le),
  },
  int32: {
    bytes: 4,
    read: (view, at, le) => view.getInt32(at, le),
    write: (view, at, v, le) => view.setInt32(at, v, le),
  },
  int64: {
    bytes: 8,
    read: (view, at, le) => Number(view.getBigInt64(at, le)),
    write: (view, at, value, le) => view.setBigInt64(at, BigInt(value), le),
  },
  float32: {
    bytes: 4,
    read: (view, at, le) => view.getFloat32(at, le),
    write: (view, at, value, le) => view.setFloat32(at, value, le),
  },
  float64: {
    bytes: 8,
    read: (view, at, le) => view.getFloat64(at, le),
    write: (view, at, value, le) => view.setFloat64(at, value, le),
  },
};

/** 64-bit integers beyond 2^53 come out rounded, and stay too large for every use that they have. */
export function readStored(view: DataView, version: NiftiVersion, littleEndian: boolean): StoredHeader {
  const { fields } = LAYOUTS[version];
  const list = ([at, kind, count = 1]: Field): number[] =>
    Array.from({ length: count }, (_, i) => CODECS[kind].read(view, at + i * CODECS[kind].bytes, littleEndian));
  const one = (field: Field): number => list(field)[0];
  return {
    datatype: one(fields.datatype),
    bitpix: one(fields.bitpix),
    dim: list(fields.dim),
    pixdim: list(fields.pixdim),
    voxOffset: one(fields.voxOffset),
    sclSlope: one(fields.sclSlope),
    sclInter: one(fields.sclInter),
    xyztUnits: one(fields.xyztUnits),
    qformCode: one(fields.qformCode),
    sformCode: one(fields.sformCode),
    quatern: list(fields.quatern),
    qoffset: list(fields.qoffset),
    srow: list(fields.srow),
  };
}

/** Size, magic and every field into a header of zeros. */
export function writeStored(view: DataView, version: NiftiVersion, littleEndian: boolean, stored: StoredHeader): void {
  const { headerBytes, magic, fields } = LAYOUTS[version];
  view.setInt32(0, headerBytes, littleEndian);
  for (const [i, char] of [...magic.single].entries()) view.setUint8(magic.at + i, char.charCodeAt(0));
  for (const [name, [at, kind]] of Object.entries(fields) as [keyof StoredHeader, Field][]) {
    const values = [stored[name]].flat();
    for (const [i, value] of values.entries()) {
      CODECS[kind].write(view, at + i * CODECS[kind].bytes, value, littleEndian);
    }
  }
}
