import { expect, test } from "vitest";
import { formatBytes, formatDuration, formatFigure, formatTable } from "./format.ts";

test("durations", () => {
  expect([0, 59_400, 80_000, 3_600_000, 7_500_000].map(formatDuration)).toEqual([
    "0 s",
    "59 s",
    "1 min 20 s",
    "1 h 0 min",
    "2 h 5 min",
  ]);
});

test("bytes", () => {
  expect([0, 999, 1400, 2_500_000, 3e12].map(formatBytes)).toEqual(["0 B", "999 B", "1.4 kB", "2.5 MB", "3.0 TB"]);
});

test("tables align figures to the right and print a dash for what is undefined", () => {
  const text = formatTable(
    ["Site", "WT", "ET"],
    [
      ["upenn", formatFigure(0.91234), formatFigure(null)],
      ["ucsf", formatFigure(0.8), "0.700"],
    ],
  );
  expect(text).toBe(
    ["Site      WT     ET", "───────────────────────", "upenn  0.912      –", "ucsf   0.800  0.700"].join("\n"),
  );
});
