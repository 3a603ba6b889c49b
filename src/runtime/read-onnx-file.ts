/**
 * Weights kept in files beside an ONNX file (TensorProto.external_data): read piece by piece, and only from the model's
 * own folder, so that a model from elsewhere cannot make a site read other files of the machine.
 */
import { closeSync, fstatSync, openSync, readFileSync, readSync, realpathSync } from "node:fs";
import { basename, dirname, isAbsolute, join, relative } from "node:path";
import { ConsiliumError } from "../base/index.ts";
import { decodeOnnx, type ExternalReader, type Graph } from "../graph/index.ts";

/**
 * An ONNX file with the weights that lie beside it.
 * @throws ConsiliumError the codec's refusals; `onnx-unsupported` for weights outside the file's folder,
 *   `file-not-found` and `onnx-corrupt` for files that are missing or too short.
 */
export function readOnnxFile(path: string): Graph {
  return decodeOnnx(readFileSync(path), basename(path), externalReader(path));
}

/** Reads what a model at this path keeps in other files. */
export function externalReader(modelPath: string): ExternalReader {
  const subject = basename(modelPath);
  const folder = realpathSync(dirname(modelPath));
  return (location, offset, length) => {
    const file = insideFolder(folder, location, subject);
    const handle = openSync(file, "r");
    try {
      const size = fstatSync(handle).size;
      const wanted = length ?? size - offset;
      if (offset < 0 || wanted < 0 || offset + wanted > size) throw tooShort(subject, location, offset + wanted, size);
      const bytes = new Uint8Array(wanted);
      for (let done = 0; done < wanted; ) done += readSync(handle, bytes, done, wanted - done, offset + done);
      return bytes;
    } finally {
      closeSync(handle);
    }
  };
}

/** Links are followed before the place is judged. */
function insideFolder(folder: string, location: string, subject: string): string {
  const outside = (path: string): boolean => path === "" || path.startsWith("..") || isAbsolute(path);
  const refused = (actual: string): ConsiliumError =>
    new ConsiliumError("onnx-unsupported", {
      subject,
      expected: "weights in files of the model's own folder",
      actual,
      hint: "Move the weights beside the model, or store them inside it.",
    });
  if (isAbsolute(location) || outside(relative(folder, join(folder, location)))) throw refused(location);
  let real: string;
  try {
    real = realpathSync(join(folder, location));
  } catch (cause) {
    throw new ConsiliumError("file-not-found", {
      subject: `${subject}, weights`,
      expected: `a file ${location} in its folder`,
      actual: "none",
      hint: "Copy the file that was exported together with the model.",
      cause,
    });
  }
  if (outside(relative(folder, real))) throw refused(`${location}, a link to another place`);
  return real;
}

function tooShort(subject: string, location: string, wanted: number, size: number): ConsiliumError {
  return new ConsiliumError("onnx-corrupt", {
    subject: `${subject}, weights`,
    expected: `${wanted} bytes in ${location}`,
    actual: `${size}`,
    hint: "Copy the file that was exported together with the model.",
  });
}
