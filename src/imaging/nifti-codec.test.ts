import { readFileSync } from "node:fs";
import { gunzipSync, gzipSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { encodeNifti, parseNifti } from "./nifti-codec.ts";
import { NIFTI_TYPES, type NiftiType } from "./nifti-types.ts";
import { orientationOf } from "./orientation.ts";
import { BRATS_AFFINE, fullAffine, volumeOf } from "./testing/sample-volumes.ts";
import type { Volume, VoxelArray } from "./volume.ts";

interface FileVector {
  name: string;
  gzipped: string;
  dims: number[];
  affine: number[];
  orientation: string;
  voxels: number[];
}

const vectors: { files: FileVector[] } = JSON.parse(
  readFileSync(new URL("./testdata/nifti-vectors.json", import.meta.url), "utf8"),
);

function vectorBytes(name: string): Uint8Array {
  const vector = vectors.files.find((file) => file.name === name);
  if (vector === undefined) throw new Error(`no vector ${name}`);
  return Uint8Array.from(gunzipSync(Buffer.from(vector.gzipped, "base64")));
}

describe("files written by nibabel", () => {
  it.each(vectors.files.map((file) => [file.name, file] as const))("%s", async (name, vector) => {
    const compressed = Buffer.from(vector.gzipped, "base64");
    for (const bytes of [gunzipSync(compressed), compressed]) {
      const { volume } = await parseNifti(bytes, name);
      expect(volume.dims).toEqual(vector.dims);
      expectAllClose(volume.affineVoxelToRas, fullAffine(vector.affine), 1e-6);
      expect(orientationOf(volume.affineVoxelToRas)).toBe(vector.orientation);
      // Scaled 16-bit values are float32 here and float64 there.
      const tolerance = name.startsWith("scaled") ? 2e-7 : 0;
      for (const [i, expected] of vector.voxels.entries()) {
        expect(Math.abs(volume.data[i] - expected)).toBeLessThanOrEqual(tolerance * Math.abs(expected));
      }
    }
  });

  it("says which rule placed the image", async () => {
    const sourceOf = async (name: string) => (await parseNifti(vectorBytes(name), name)).header.affineSource;
    expect(await sourceOf("sform-before-qform")).toBe("sform");
    expect(await sourceOf("sform-code-0")).toBe("qform");
    const neither = vectorBytes("sform-only");
    Buffer.from(neither.buffer).writeInt16LE(0, 254);
    expect((await parseNifti(neither, "neither")).header.affineSource).toBe("voxelSizes");
  });
});

function expectAllClose(actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance: number): void {
  expect(actual.length).toBe(expected.length);
  for (let i = 0; i < actual.length; i++) expect(Math.abs(actual[i] - expected[i])).toBeLessThanOrEqual(tolerance);
}

describe("a header by hand", () => {
  it("is written byte for byte as nifti1.h says", () => {
    const file = Buffer.from(encodeNifti(volumeOf([2, 1, 1], Int16Array.of(258, -2)), { littleEndian: false }));
    expect(file.length).toBe(352 + 4);
    const expected = Buffer.alloc(356);
    expected.writeInt32BE(348, 0);
    expected[38] = 114;
    for (const [i, size] of [3, 2, 1, 1, 1, 1, 1, 1].entries()) expected.writeInt16BE(size, 40 + 2 * i);
    expected.writeInt16BE(4, 70);
    expected.writeInt16BE(16, 72);
    for (let i = 0; i < 8; i++) expected.writeFloatBE(1, 76 + 4 * i);
    expected.writeFloatBE(352, 108);
    expected.writeFloatBE(1, 112);
    expected[123] = 2;
    expected.writeInt16BE(1, 252);
    expected.writeInt16BE(1, 254);
    // A half turn about z: b = c = 0, d = 1.
    expected.writeFloatBE(1, 264);
    expected.writeFloatBE(239, 272);
    for (const [at, value] of [
      [280, -1],
      [300, -1],
      [308, 239],
      [320, 1],
    ]) {
      expected.writeFloatBE(value, at);
    }
    expected.write("n+1\0", 344, "latin1");
    expected.set([1, 2, 0xff, 0xfe], 352);
    expect(file.toString("hex")).toBe(expected.toString("hex"));
  });

  it("takes metres and micrometres as what they are", async () => {
    const file = encodeNifti(volumeOf([1, 1, 1], Uint8Array.of(1)));
    file[123] = 1;
    expect((await parseNifti(file, "m")).volume.affineVoxelToRas[0]).toBe(-1000);
    file[123] = 3;
    expect((await parseNifti(file, "um")).volume.affineVoxelToRas[0]).toBe(-0.001);
  });
});

const ARRAYS: Record<NiftiType, fc.Arbitrary<VoxelArray>> = {
  uint8: fc.uint8Array({ minLength: 12, maxLength: 12 }),
  int8: fc.int8Array({ minLength: 12, maxLength: 12 }),
  uint16: fc.uint16Array({ minLength: 12, maxLength: 12 }),
  int16: fc.int16Array({ minLength: 12, maxLength: 12 }),
  uint32: fc.uint32Array({ minLength: 12, maxLength: 12 }),
  int32: fc.int32Array({ minLength: 12, maxLength: 12 }),
  float32: fc.float32Array({ minLength: 12, maxLength: 12 }),
  float64: fc.float64Array({ minLength: 12, maxLength: 12 }),
  uint64: fc.array(fc.maxSafeNat(), { minLength: 12, maxLength: 12 }).map((values) => Float64Array.from(values)),
  int64: fc.array(fc.maxSafeInteger(), { minLength: 12, maxLength: 12 }).map((values) => Float64Array.from(values)),
};

describe("what is written is read", () => {
  it.each(Object.keys(NIFTI_TYPES) as NiftiType[])("%s, both byte orders, gzipped or not", async (type) => {
    await fc.assert(
      fc.asyncProperty(ARRAYS[type], fc.boolean(), fc.boolean(), async (data, littleEndian, zipped) => {
        const file = encodeNifti(volumeOf([3, 2, 2], data), { type, littleEndian });
        const { volume, header } = await parseNifti(zipped ? gzipSync(file) : file, "round trip");
        expect(header).toMatchObject({ type, littleEndian, sformCode: 1, qformCode: 1 });
        expect(volume.dims).toEqual([3, 2, 2]);
        expect(volume.affineVoxelToRas).toEqual(BRATS_AFFINE);
        expect(volume.data).toEqual(data);
      }),
      { numRuns: 40 },
    );
  });

  it("keeps scaled values to half a slope", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.double({ min: -50, max: 50, noNaN: true }), { minLength: 6, maxLength: 6 }),
        fc.boolean(),
        async (values, littleEndian) => {
          const volume = volumeOf([3, 2, 1], Float64Array.from(values));
          const file = encodeNifti(volume, { type: "int16", slope: 0.125, intercept: 3, littleEndian });
          const back = (await parseNifti(file, "scaled")).volume.data;
          for (const [i, value] of values.entries()) expect(Math.abs(back[i] - value)).toBeLessThanOrEqual(0.0625);
        },
      ),
    );
  });

  it("reads voxels at an offset that does not fit their width", async () => {
    const plain = encodeNifti(volumeOf([2, 1, 1], Float64Array.of(1.5, -2.5)));
    const shifted = new Uint8Array(plain.length + 5);
    shifted.set(plain, 5);
    expect((await parseNifti(shifted.subarray(5), "shifted")).volume.data).toEqual(Float64Array.of(1.5, -2.5));
  });
});

describe("refused", () => {
  const good = (): Buffer => Buffer.from(encodeNifti(volumeOf([2, 2, 2], Int16Array.from([1, 2, 3, 4, 5, 6, 7, 8]))));
  const edited = (edit: (file: Buffer) => void): Buffer => {
    const file = good();
    edit(file);
    return file;
  };

  /** Two writes; each answers the offset after it. */
  const both = (first: number | Buffer, second: number | Buffer): [number | Buffer, number | Buffer] => [first, second];

  it.each<[string, Buffer, string]>([
    ["nothing at all", Buffer.alloc(0), "nifti-corrupt"],
    ["half a header", good().subarray(0, 200), "nifti-corrupt"],
    ["a text file", Buffer.alloc(600, "not an image "), "nifti-corrupt"],
    ["a size of NIfTI-2 over NIfTI-1", edited((f) => f.writeInt32LE(540, 0)), "nifti-corrupt"],
    ["the same in the other byte order", edited((f) => f.writeInt32BE(540, 0)), "nifti-corrupt"],
    ["a header whose voxels are elsewhere", edited((f) => f.write("ni1\0", 344)), "nifti-unsupported"],
    ["ANALYZE 7.5", edited((f) => f.fill(0, 344, 348)), "nifti-unsupported"],
    ["another magic", edited((f) => f.write("n+9\0", 344)), "nifti-corrupt"],
    ["voxels cut short", good().subarray(0, 352 + 15), "nifti-corrupt"],
    ["complex voxels", edited((f) => f.writeInt16LE(32, 70)), "nifti-unsupported"],
    ["colour", edited((f) => f.writeInt16LE(128, 70)), "nifti-unsupported"],
    ["one bit a voxel", edited((f) => f.writeInt16LE(1, 70)), "nifti-unsupported"],
    ["bitpix of another type", edited((f) => f.writeInt16LE(8, 72)), "nifti-corrupt"],
    ["a time series", edited((f) => both(f.writeInt16LE(4, 40), f.writeInt16LE(2, 48))), "nifti-unsupported"],
    ["a plane", edited((f) => f.writeInt16LE(2, 40)), "nifti-unsupported"],
    ["an axis of no voxels", edited((f) => f.writeInt16LE(0, 44)), "nifti-corrupt"],
    ["a negative axis", edited((f) => f.writeInt16LE(-2, 44)), "nifti-corrupt"],
    ["nine dimensions", edited((f) => f.writeInt16LE(9, 40)), "nifti-corrupt"],
    ["an offset inside the header", edited((f) => f.writeFloatLE(100, 108)), "nifti-corrupt"],
    ["an offset that is no number", edited((f) => f.writeFloatLE(Number.NaN, 108)), "nifti-corrupt"],
    ["an offset beyond the file", edited((f) => f.writeFloatLE(1e6, 108)), "nifti-corrupt"],
    [
      "a slope without an intercept",
      edited((f) => both(f.writeFloatLE(2, 112), f.writeFloatLE(Number.NaN, 116))),
      "nifti-corrupt",
    ],
    ["an unknown unit", edited((f) => f.writeUInt8(5, 123)), "nifti-corrupt"],
    ["a flat sform", edited((f) => f.fill(0, 312, 324)), "geometry-invalid"],
    ["an sform of NaN", edited((f) => f.writeFloatLE(Number.NaN, 280)), "geometry-invalid"],
    ["a quaternion too long", edited((f) => both(f.writeInt16LE(0, 254), f.writeFloatLE(1, 256))), "geometry-invalid"],
    ["no voxel size", edited((f) => both(f.writeInt16LE(0, 254), f.writeFloatLE(0, 80))), "geometry-invalid"],
    ["a negative voxel size", edited((f) => both(f.writeInt16LE(0, 254), f.writeFloatLE(-1, 80))), "geometry-invalid"],
  ])("%s", async (_, bytes, code) => {
    await expect(parseNifti(bytes, "sample.nii")).rejects.toMatchObject({ code, subject: "sample.nii" });
  });

  it("a good file is not (positive control)", async () => {
    await expect(parseNifti(good(), "sample.nii")).resolves.toBeDefined();
  });

  it("a grid over the limit before any memory is taken for it", async () => {
    const huge = edited((f) => {
      for (const at of [42, 44, 46]) f.writeInt16LE(30000, at);
    });
    for (const bytes of [huge, gzipSync(huge)]) {
      await expect(parseNifti(bytes, "huge")).rejects.toMatchObject({ code: "limit-exceeded" });
    }
  });

  it("64-bit integers that a double cannot hold", async () => {
    const file = Buffer.from(encodeNifti(volumeOf([1, 1, 1], Float64Array.of(5)), { type: "int64" }));
    file.writeBigInt64LE(2n ** 53n + 1n, 352);
    await expect(parseNifti(file, "wide")).rejects.toMatchObject({ code: "nifti-unsupported" });
  });

  it.each<[string, Volume, NiftiType]>([
    ["300 as uint8", volumeOf([1, 1, 1], Int16Array.of(300)), "uint8"],
    ["-1 as uint16", volumeOf([1, 1, 1], Float32Array.of(-1)), "uint16"],
    ["NaN as int16", volumeOf([1, 1, 1], Float32Array.of(Number.NaN)), "int16"],
  ])("writing %s", (_, volume, type) => {
    expect(() => encodeNifti(volume, { type })).toThrowError(expect.objectContaining({ code: "intensity-invalid" }));
  });

  it("writing a volume whose dims are not its length", () => {
    for (const volume of [volumeOf([2, 2, 2], new Uint8Array(7)), volumeOf([-1, -2, 4], new Uint8Array(8))]) {
      expect(() => encodeNifti(volume)).toThrowError(expect.objectContaining({ code: "geometry-invalid" }));
    }
  });
});

describe("NIfTI-2", () => {
  const long = (): Volume =>
    volumeOf(
      [32768, 1, 1],
      new Uint8Array(32768).map((_, i) => i % 251),
    );

  it("is written where an axis is too long for NIfTI-1, and read again in both byte orders", async () => {
    for (const littleEndian of [true, false]) {
      const file = Buffer.from(encodeNifti(long(), { littleEndian }));
      expect(littleEndian ? file.readInt32LE(0) : file.readInt32BE(0)).toBe(540);
      expect(file.subarray(4, 12).toString("latin1")).toBe("n+2\0\r\n\x1a\n");
      expect(file.length).toBe(544 + 32768);
      for (const bytes of [file, gzipSync(file)]) {
        const { volume, header } = await parseNifti(bytes, "long");
        expect(header).toMatchObject({ version: 2, littleEndian, voxelOffset: 544, affineSource: "sform" });
        expect(volume).toEqual(long());
      }
    }
    const short = encodeNifti(volumeOf([32767, 1, 1], new Uint8Array(32767)));
    expect((await parseNifti(short, "short")).header.version).toBe(1);
  });

  const edited = (edit: (file: Buffer) => void): Buffer => {
    const file = Buffer.from(vectorBytes("nifti2-int16-little"));
    edit(file);
    return file;
  };

  it.each<[string, Buffer, string]>([
    ["half a header", edited(() => {}).subarray(0, 500), "nifti-corrupt"],
    ["line ends changed on the way", edited((f) => f.write("n+2\0\n\n\x1a\n", 4, "latin1")), "nifti-corrupt"],
    ["voxels in another file", edited((f) => f.write("ni2", 4)), "nifti-unsupported"],
    ["an axis of 2^40 voxels", edited((f) => f.writeBigInt64LE(2n ** 40n, 24)), "limit-exceeded"],
    ["a negative axis", edited((f) => f.writeBigInt64LE(-3n, 24)), "nifti-corrupt"],
    ["an offset inside the header", edited((f) => f.writeBigInt64LE(352n, 168)), "nifti-corrupt"],
    ["an offset beyond the file", edited((f) => f.writeBigInt64LE(2n ** 60n, 168)), "nifti-corrupt"],
    ["complex voxels", edited((f) => f.writeInt16LE(32, 12)), "nifti-unsupported"],
    ["an unknown unit", edited((f) => f.writeInt32LE(5, 500)), "nifti-corrupt"],
    ["an sform of NaN", edited((f) => f.writeDoubleLE(Number.NaN, 400)), "geometry-invalid"],
  ])("is refused with %s", async (_, bytes, code) => {
    await expect(parseNifti(bytes, "sample.nii")).rejects.toMatchObject({ code, subject: "sample.nii" });
  });

  it("is not without (positive control)", async () => {
    await expect(
      parseNifti(
        edited(() => {}),
        "sample.nii",
      ),
    ).resolves.toMatchObject({ header: { version: 2 } });
  });
});

describe("damaged gzip", () => {
  const file = gzipSync(
    encodeNifti(
      volumeOf(
        [8, 8, 8],
        Int16Array.from({ length: 512 }, (_, i) => (i * 7919) % 1000),
      ),
    ),
  );

  it("is told wherever it is cut", async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 2, max: file.length - 1 }), async (length) => {
        await expect(parseNifti(file.subarray(0, length), "cut.nii.gz")).rejects.toMatchObject({
          code: "nifti-corrupt",
        });
      }),
    );
  });

  it("is told by its checksum and length", async () => {
    for (const at of [file.length - 8, file.length - 1]) {
      const bad = Buffer.from(file);
      bad[at] ^= 1;
      await expect(parseNifti(bad, "bad.nii.gz")).rejects.toMatchObject({ code: "nifti-corrupt" });
    }
  });

  it("never yields other voxels, whichever bit flips", async () => {
    const { volume } = await parseNifti(file, "good");
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 10, max: file.length - 1 }),
        fc.integer({ min: 0, max: 7 }),
        async (at, bit) => {
          const bad = Buffer.from(file);
          bad[at] ^= 1 << bit;
          const read = await parseNifti(bad, "flipped").catch((error: { code: string }) => error.code);
          if (typeof read === "string")
            expect(read).toMatch(/^(nifti-corrupt|nifti-unsupported|geometry-invalid|limit-exceeded)$/);
          else expect(read.volume.data).toEqual(volume.data);
        },
      ),
    );
  });

  it("bytes after the voxels are no part of the image, but must be sound too", async () => {
    const image = encodeNifti(volumeOf([2, 2, 2], new Uint8Array(8)));
    const tailed = gzipSync(Buffer.concat([image, Buffer.alloc(1 << 20)]));
    expect((await parseNifti(tailed, "tail")).volume.dims).toEqual([2, 2, 2]);
    await expect(parseNifti(tailed.subarray(0, -4), "tail")).rejects.toMatchObject({ code: "nifti-corrupt" });
  });
});
