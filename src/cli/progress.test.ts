import { beforeEach, expect, test } from "vitest";
import { createProgress, describeStep, type Progress } from "./progress.ts";

let nowMs = 0;
let written = "";
const clock = { nowMs: () => nowMs };
const write = (text: string): void => {
  written += text;
};

/** A hundred steps of 200 ms each. */
function work(progress: Progress, steps = 100): void {
  for (let done = 0; done <= steps; done++) {
    progress.update({ label: "Training", done, total: 100, unit: "steps" });
    nowMs += 200;
  }
  progress.end();
}

beforeEach(() => {
  nowMs = 1_000_000;
  written = "";
});

test("work that ends within two seconds prints nothing", () => {
  work(createProgress({ write, isTerminal: false, columns: 80 }, clock), 9);
  work(createProgress({ write, isTerminal: true, columns: 80 }, clock), 9);
  expect(written).toBe("");
});

test("in a log: a line after two seconds, then one every ten, with the time left", () => {
  work(createProgress({ write, isTerminal: false, columns: 80 }, clock));
  expect(written.split("\n")).toEqual([
    "Training: 10 of 100 steps (10 %), 18 s left",
    "Training: 60 of 100 steps (60 %), 8 s left",
    "",
  ]);
});

test("on a terminal: one line, rewritten, cut to the width, and erased at the end", () => {
  work(createProgress({ write, isTerminal: true, columns: 30 }, clock));
  expect(written).not.toContain("\n");
  const drawn = written.split("\r\x1b[K");
  expect(drawn.length).toBeGreaterThan(50);
  expect(Math.max(...drawn.map((line) => line.length))).toBe(29);
  expect(written.endsWith("\r\x1b[K")).toBe(true);
});

test("a note stays, and a new label starts a new estimate", () => {
  const progress = createProgress({ write, isTerminal: true, columns: 80 }, clock);
  work(progress, 20);
  written = "";
  progress.note("Round 1 of 3 done");
  expect(written).toBe("Round 1 of 3 done\n");
  nowMs += 100_000;
  progress.update({ label: "Evaluating", done: 0, total: 4 });
  nowMs += 4000;
  progress.update({ label: "Evaluating", done: 1, total: 4 });
  expect(written).toContain("Evaluating: 1 of 4 (25 %), 12 s left");
});

test("without a total the time so far is told instead", () => {
  expect(describeStep({ label: "Waiting", done: 3, unit: "sites", detail: "upenn missing" }, 65_000)).toBe(
    "Waiting: 3 sites, upenn missing, 1 min 5 s so far",
  );
});

test("of work side by side one is shown until it ends, with an estimate of its own", () => {
  const progress = createProgress({ write, isTerminal: true, columns: 80 }, clock);
  for (let done = 0; done <= 20; done++) {
    progress.update({ label: "First", done, total: 20 });
    progress.update({ label: "Second", done, total: 40 });
    nowMs += 1000;
  }
  const before = written;
  expect(before).toContain("First: 10 of 20 (50 %), 10 s left");
  expect(before).not.toContain("Second: 10");
  progress.update({ label: "Second", done: 21, total: 40 });
  expect(written.slice(before.length)).toContain("Second: 21 of 40 (52 %), 19 s left");
});
