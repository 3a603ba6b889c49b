/** A table of lowerings from a file, for the commands that take one. */
import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { ConsiliumError } from "../base/index.ts";
import { type LoweringTable, parseLoweringTable } from "../training/index.ts";

/** @throws ConsiliumError `file-not-found`, `lowerings-invalid` */
export async function readLowerings(path: string): Promise<LoweringTable> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (cause) {
    throw new ConsiliumError("file-not-found", {
      subject: path,
      expected: "a table of lowerings",
      actual: "no file that can be read",
      hint: "`consilium model tune` writes one.",
      cause,
    });
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = undefined;
  }
  return parseLoweringTable(value, basename(path));
}
