/** Names in every character set of DICOM's own examples, as pydicom reads them (bench/oracle/dicom_names.py). */
import { readFileSync } from "node:fs";
import { expect, it, test } from "vitest";
import { decodeText } from "./decode-text.ts";

interface Example {
  readonly file: string;
  readonly terms: string;
  readonly bytes: string;
  readonly name: string;
}
const path = new URL("./testdata/dicom-names.json", import.meta.url);
const examples = JSON.parse(readFileSync(path, "utf8")) as Example[];

test.each(examples)("$file: $name", ({ terms, bytes, name }) => {
  expect(decodeText(Buffer.from(bytes, "base64"), terms)).toBe(name);
});

it("takes off padding, and reads what declares nothing as Latin letters", () => {
  expect(decodeText(Buffer.from("4711 \0", "latin1"), "")).toBe("4711");
  expect(decodeText(Buffer.from("Jos\xe9^Mar\xeda ", "latin1"), "ISO_IR 6")).toBe("José^María");
});

it("reads JIS X 0212, and Chinese with escape sequences", () => {
  // 丂 is 0x3021 of JIS X 0212; 王 is 0xcdf5 of GB 2312.
  expect(decodeText(Buffer.from("\x1b$(D\x30\x21\x1b(B^A", "latin1"), "\\ISO 2022 IR 159")).toBe("丂^A");
  expect(decodeText(Buffer.from("Wang^X=\x1b$)A\xcd\xf5^\xe9", "latin1"), "\\ISO 2022 IR 58")).toBe("Wang^X=王^é");
  expect(decodeText(Buffer.from("Wang^X=\x1b$)A\xcd\xf5^\x1b$)A\xcd\xf5", "latin1"), "ISO 2022 IR 58")).toBe(
    "Wang^X=王^王",
  );
});

it("leaves an escape that it does not know, and a name cut within one, readable", () => {
  expect(decodeText(Buffer.from("A\x1bzB", "latin1"), "")).toBe("A\x1bzB");
  expect(decodeText(Buffer.from("A\x1b$", "latin1"), "\\ISO 2022 IR 87")).toBe("A\x1b$");
});
