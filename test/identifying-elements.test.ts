/** What the de-identification report says that the files had: every file's header is read, within sequences as well. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type DataSet, encodeDicom } from "../src/imaging/dicom-write/encode-dicom.ts";
import { identifyingElements } from "../src/intake/identifying-elements.ts";

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "consilium-elements-"));
});
afterAll(() => rm(root, { recursive: true, force: true }));

async function file(name: string, more: DataSet): Promise<string> {
  const path = join(root, name);
  const uids: DataSet = {
    "00080016": { vr: "UI", value: ["1.2.840.10008.5.1.4.1.1.4"] },
    "00080018": { vr: "UI", value: ["1.2.3"] },
    "00280010": { vr: "US", value: [1] },
  };
  await writeFile(path, encodeDicom({ ...uids, ...more }));
  return path;
}

test("elements of every file count, of sequences within sequences too, and private ones", async () => {
  const plain = await file("plain.dcm", {});
  expect(await identifyingElements([plain])).toEqual(["SOP Instance UID"]);

  const named = await file("named.dcm", { "00100010": { vr: "PN", value: ["Someone"] } });
  expect(await identifyingElements([plain, named])).toEqual(["Patient's Name", "SOP Instance UID"]);

  const inner: DataSet = { "00081048": { vr: "PN", value: ["Doctor"] }, "00091010": { vr: "LO", value: ["own"] } };
  const nested = await file("nested.dcm", {
    "00081115": { vr: "SQ", value: [{ "00081199": { vr: "SQ", value: [{}, inner] } }] },
  });
  expect(await identifyingElements([nested, plain])).toEqual([
    "Physician(s) of Record",
    "SOP Instance UID",
    "private elements",
  ]);
});
