/** An interrupt in the middle of training ends a command in order: exit code 130, one JSON document, nothing half-written. */
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";

const launcher = fileURLToPath(new URL("../bin/consilium.mjs", import.meta.url));
const study = fileURLToPath(new URL("transcripts/study.yaml", import.meta.url));
let folder = "";

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "consilium-interrupt-"));
  const make = ["cohort", "make", "--cases", "4", "--spacing", "8", "--out", join(folder, "data"), "--quiet"];
  expect(spawnSync(process.execPath, [launcher, ...make]).status).toBe(0);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test.each([
  ["train", "train", [], /^Training.* of /m],
  ["simulate", "simulate", ["--sites", "2"], /^Training.* of /m],
  [
    "simulate while a site fails, which is told at once",
    "simulate",
    ["--sites", "2", "--learning-rate", "100", "--patches-per-case", "50"],
    /^Round \d+: site-\d+ failed: \[training-diverged\] .*loss/m,
  ],
] as const)("%s", async (name, command, more, sign) => {
  const out = join(folder, name.replaceAll(/\W/g, "-"));
  const run = ["--data", join(folder, "data"), "--out", out, "--study", study, "--rounds", "2000", "--spacing", "8"];
  const child = spawn(process.execPath, [launcher, command, ...run, ...more, "--json"], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let [stdout, stderr] = ["", ""];
  child.stdout.on("data", (data: Buffer) => {
    stdout += data.toString();
  });
  const ended = new Promise<number | null>((resolve) => child.on("close", resolve));
  let asked = false;
  child.stderr.on("data", (data: Buffer) => {
    stderr += data.toString();
    if (asked || !sign.test(stderr)) return;
    // Once: a process that has ended its work hears no second signal, and would die of it.
    asked = child.kill("SIGINT");
  });
  expect(await ended, stderr).toBe(130);
  expect(JSON.parse(stdout).error).toMatchObject({ code: "interrupted", actual: "SIGINT" });
  expect(existsSync(join(out, "model"))).toBe(false);
});
