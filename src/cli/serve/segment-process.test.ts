/** A job's process that is asked to stop: the job ends when it is gone, and what it kept lies in the job's folder. */
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import type { Job } from "./job-store.ts";
import { segmentProcess } from "./segment-process.ts";

const root = await mkdtemp(join(tmpdir(), "consilium-process-"));
afterAll(() => rm(root, { recursive: true, force: true }));

/** Keeps a file as `segment` keeps scans, and takes its time to end. */
const SLOW = `
import { writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
writeFileSync(join(tmpdir(), "scan.nii"), String(process.pid));
setInterval(() => {}, 1000);
process.on("SIGTERM", () => setTimeout(() => process.exit(130), 300));
`;

it("waits for its end", async () => {
  const at = (name: string): string => join(root, name);
  for (const name of ["files", "results", "work"]) await mkdir(at(name));
  await writeFile(at("launcher.mjs"), SLOW);
  const job = { kind: "dicom", files: at("files"), results: at("results"), work: at("work") } as Job;
  const stop = new AbortController();
  const work = segmentProcess({ launcher: at("launcher.mjs"), args: [] })(job, stop.signal);
  const ended = work.catch((error: unknown) => error);
  await expect.poll(() => readdir(job.work), { timeout: 20_000 }).toEqual(["scan.nii"]);
  const pid = Number(await readFile(join(job.work, "scan.nii"), "utf8"));
  expect(() => process.kill(pid, 0)).not.toThrow();
  stop.abort();
  expect(await ended).toMatchObject({ code: "internal" });
  expect(() => process.kill(pid, 0)).toThrow(/ESRCH/);
});
