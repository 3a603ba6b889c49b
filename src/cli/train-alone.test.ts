/** Cases that are held out by name, and what is said of the other scans of the same patients. */
import { expect, it } from "vitest";
import type { CaseFiles } from "../imaging/index.ts";
import { casesText } from "./commands/train.ts";
import { heldOutOf } from "./train-alone.ts";

const scan = (id: string, subject: string): CaseFiles => ({ id, subject, folder: id, images: {} });

it("keeps other scans of a held-out patient from training, and says how many", () => {
  const cases = [scan("v1", "A"), scan("v2", "A"), scan("v3", "A"), scan("w1", "B"), scan("w2", "B")];
  const [training, held] = heldOutOf(cases, ["v1"]);
  expect([training, held].map((part) => part.map(({ id }) => id))).toEqual([["w1", "w2"], ["v1"]]);
  const leftOut = cases.length - training.length - held.length;
  expect(casesText({ train: training.length, validation: held.length, leftOut })).toBe(
    "2 training cases, 1 to measure on, and 2 other scans of the same patients left out",
  );
  expect(casesText({ train: 4, validation: 1, leftOut: 0 })).toBe("4 training cases, 1 to measure on");
});
