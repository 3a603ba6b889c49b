import { describe, expect, it } from "vitest";
import { type Parameters, parameterLayout, parametersFromSafetensors, parametersToSafetensors } from "./index.ts";

const layout = parameterLayout(
  new Map([
    ["b", [2, 3]],
    ["a", [5]],
    ["c", []],
  ]),
);
const parameters: Parameters = { layout, data: Float32Array.from({ length: layout.length }, (_, i) => i - 0.5) };

/** A file with its tensors in the order given. */
function fileOf(names: readonly string[], headerBlanks = 0): Uint8Array {
  let at = 0;
  const tensors = names.map((name) => {
    const entry = layout.entries.find((each) => each.name === name);
    if (entry === undefined) throw new Error(name);
    const { shape, offset, length } = entry;
    const values = parameters.data.slice(offset, offset + length);
    const start = at;
    at += values.byteLength;
    return { header: [name, { dtype: "F32", shape, data_offsets: [start, at] }] as const, values };
  });
  const header = JSON.stringify(Object.fromEntries(tensors.map((tensor) => tensor.header))) + " ".repeat(headerBlanks);
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(header.length));
  const data = tensors.map(({ values }) => Buffer.from(values.buffer));
  return Uint8Array.from(Buffer.concat([size, Buffer.from(header), ...data]));
}

describe("parametersFromSafetensors", () => {
  it("takes over the bytes that parametersToSafetensors wrote, without copying them", () => {
    const bytes = parametersToSafetensors(parameters);
    const read = parametersFromSafetensors(bytes, "model");
    expect(read).toEqual(parameters);
    expect(read.data.buffer).toBe(bytes.buffer);
  });

  it("reads files of another order and alignment alike", () => {
    for (const names of [
      ["a", "b", "c"],
      ["c", "b", "a"],
      ["b", "a", "c"],
    ]) {
      for (let blanks = 0; blanks < 4; blanks++) {
        expect(parametersFromSafetensors(fileOf(names, blanks), "model")).toEqual(parameters);
      }
    }
  });
});
