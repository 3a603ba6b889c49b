/** Weights beside the model are read; nothing outside the model's folder is. */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ExternalReader, encodeOnnx, type Graph } from "../graph/index.ts";
import { externalReader, readOnnxFile } from "./read-onnx-file.ts";

const GRAPH: Graph = {
  name: "relu",
  opset: 17,
  inputs: [{ name: "x", dtype: "float32", shape: [2] }],
  outputs: [{ name: "y", dtype: "float32", shape: [2] }],
  initializers: new Map(),
  nodes: [{ opType: "Relu", name: "", inputs: ["x"], outputs: ["y"], attributes: {} }],
};
let root = "";
let read: ExternalReader;

beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), "consilium-external-"));
  mkdirSync(join(root, "model/weights"), { recursive: true });
  writeFileSync(join(root, "model/net.onnx"), encodeOnnx(GRAPH));
  writeFileSync(join(root, "model/weights/w.bin"), "0123456789");
  writeFileSync(join(root, "secret.bin"), "0123456789");
  symlinkSync(join(root, "secret.bin"), join(root, "model/link.bin"));
  symlinkSync(join(root, "model/weights/w.bin"), join(root, "model/inside.bin"));
  read = externalReader(join(root, "model/net.onnx"));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();

describe("files beside a model", () => {
  it("are read from an offset on, so many bytes or to the end", () => {
    expect(text(read("weights/w.bin", 2, 3))).toBe("234");
    expect(text(read("weights/w.bin", 8, undefined))).toBe("89");
    expect(text(read("inside.bin", 0, 1))).toBe("0");
  });

  it.each([["../secret.bin"], ["weights/../../secret.bin"], ["/etc/hostname"], [""], ["."]])(
    "are not read from %j",
    (location) => {
      expect(() => read(location, 0, 1)).toThrow(
        /\[onnx-unsupported\] net.onnx: expected weights in files of the model's/,
      );
    },
  );

  it("are not read through a link that leads outside", () => {
    expect(() => read("link.bin", 0, 1)).toThrow(/\[onnx-unsupported\] .* got link.bin, a link to another place/);
  });

  it("that are missing or too short are named", () => {
    expect(() => read("none.bin", 0, 1)).toThrow(/\[file-not-found\] net.onnx, weights: expected a file none.bin/);
    expect(() => read("weights/w.bin", 6, 5)).toThrow(
      /\[onnx-corrupt\] .* expected 11 bytes in weights\/w.bin, got 10/,
    );
    expect(() => read("weights/w.bin", -1, 5)).toThrow(/\[onnx-corrupt\]/);
  });
});

it("a model without any is read as it is", () => {
  expect(readOnnxFile(join(root, "model/net.onnx"))).toEqual(GRAPH);
});
