import { describe, expect, it } from "vitest";
import { ConsiliumError } from "../base/index.ts";
import { quietError, quietWhereNamed } from "./quiet-error.ts";
import type { RegisteredData } from "./site-data.ts";
import { madeUpCases } from "./testing/test-site.ts";

const data: RegisteredData = {
  dataset: "/data",
  convention: "brats2021",
  seed: 0,
  cases: madeUpCases("a", 12, "Doe (Jane)+"),
  split: {},
  excluded: [],
  smallestExtentMm: [240, 240, 155],
  registeredAtMs: 0,
};
const broken = (subject: string, hint = "Look at it.") =>
  new ConsiliumError("nifti-corrupt", { subject, expected: "a scan", actual: "text of a header", hint });

describe("an error as others may read it", () => {
  it.each([
    ["a case", "case Doe (Jane)+-a-3", 4],
    ["the case whose name has another's in it", "Doe (Jane)+-a-11", 12],
    ["a file's name", "Doe (Jane)+-a-1_t1.nii.gz", 2],
    ["a path", "/data/a/Doe (Jane)+-a-10/Doe (Jane)+-a-10_flair.nii.gz", 11],
  ])("gives the number of %s", (_, subject, number) => {
    const quiet = quietError(broken(subject), data);
    expect(quiet).toMatchObject({ code: "nifti-corrupt", subject: `case ${number} of this site's data` });
    expect(quiet.hint).toMatch(`entry ${number} of`);
    expect(quiet.message).toMatch(/expected a scan/);
    expect(quiet.message).not.toMatch(/Doe|Jane|header|nii|\/data/);
  });

  it("names nothing of what is not registered, nor a file in the words that stay", () => {
    const told = broken("Roe_t1.nii.gz", "Look at /scans/Roe/t1.nii.gz or 'C:\\scans\\Roe'.");
    const quiet = quietError(told, data);
    expect(quiet.subject).toBe("this site's work");
    expect(quiet.hint).toMatch(/^Look at a file here or 'a file here'\./);
    expect(quietError(told, undefined).message).not.toMatch(/Roe/);
  });

  it("is left as it came where it names no registered case, and is asked for", () => {
    const locked = broken("the home");
    expect(quietWhereNamed(locked, data)).toBe(locked);
    expect(quietWhereNamed(broken("Doe (Jane)+-a-0"), data).message).not.toMatch(/Doe/);
  });
});
