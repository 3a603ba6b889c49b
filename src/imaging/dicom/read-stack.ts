/** A stack of slices as a volume: stored values rescaled frame by frame (PS3.3, C.11.1), on the stack's own grid. */
import { ConsiliumError, renamed } from "../../base/index.ts";
import { type Volume, voxelCount } from "../volume.ts";
import type { DicomImage } from "./dicom-image.ts";
import { readFrames, type StoredValues } from "./read-frames.ts";
import type { FrameStack } from "./stack-frames.ts";

/**
 * Values in the units of the scanner. No error names a file.
 * @param subject the series in words that name no patient.
 * @throws ConsiliumError as `readFrames` does; `dicom-unsupported` for a scale that is none.
 */
export async function readStack(
  { frames, dims, affineVoxelToRas }: FrameStack,
  subject: string,
): Promise<Volume<Float32Array>> {
  const data = new Float32Array(voxelCount(dims));
  const area = dims[0] * dims[1];
  const slicesOf = new Map<DicomImage, { readonly frame: number; readonly slice: number }[]>();
  frames.forEach(({ image, frame }, slice) => {
    slicesOf.set(image, [...(slicesOf.get(image) ?? []), { frame: frame.index, slice }]);
  });
  for (const [image, slices] of slicesOf) {
    const values = await valuesOf(image, `${subject}, slice ${slices[0].slice + 1}`);
    for (const { frame, slice } of slices) {
      const { slope, intercept } = image.frames[frame];
      if (slope === 0) {
        throw new ConsiliumError("dicom-unsupported", {
          subject,
          expected: "a rescale slope other than 0",
          actual: "0",
          hint: "Export the series again from its source.",
        });
      }
      rescale(values[frame], slope, intercept, data.subarray(slice * area, (slice + 1) * area));
    }
  }
  return { dims, data, affineVoxelToRas };
}

async function valuesOf(image: DicomImage, subject: string): Promise<StoredValues[]> {
  try {
    if (image.problem !== undefined) throw image.problem;
    return await readFrames(image);
  } catch (error) {
    throw renamed(error, subject);
  }
}

function rescale(values: StoredValues, slope: number, intercept: number, out: Float32Array): void {
  for (let i = 0; i < out.length; i++) out[i] = values[i] * slope + intercept;
}
