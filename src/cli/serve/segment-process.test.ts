/** A job's process that is asked to stop: the job ends when it is gone, and what it kept lies in the job's folder. */
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import type { Modality } from "../../imaging/index.ts";
import type { Job } from "./job-store.ts";
import { segmentProcess } from "./segment-process.ts";

const root = await mkdtemp(join(tmpdir(), "consilium-process-"));
afterAll(() => rm(root, { recursive: true, force: true }));

/** Keeps a file as `segment` keeps scans, whole once it is there and no sooner than it may be asked to stop; takes its time to end. */
const SLOW = `
import { renameSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
setInterval(() => {}, 1000);
process.on("SIGTERM", () => setTimeout(() => process.exit(130), 300));
writeFileSync(join(tmpdir(), "begun"), String(process.pid));
renameSync(join(tmpdir(), "begun"), join(tmpdir(), "scan.nii"));
`;

/** Says its arguments as an outcome. */
const ECHO = `console.log(JSON.stringify({ opinions: process.argv.slice(2) }));`;

async function nifti(name: string, files: readonly string[], mayMiss: readonly Modality[]) {
  const at = (part: string): string => join(root, name, part);
  for (const part of ["files", "results", "work"]) await mkdir(at(part), { recursive: true });
  for (const file of files) await writeFile(join(at("files"), file), "");
  await writeFile(at("launcher.mjs"), ECHO);
  const job = { kind: "nifti", files: at("files"), results: at("results"), work: at("work") } as Job;
  const options = { launcher: at("launcher.mjs"), args: [], mayMiss };
  return segmentProcess(options)(job, new AbortController().signal) as Promise<{ opinions: string[] }>;
}

it("hands on NIfTI files without a scan where the model was trained for that, and nothing that may be one", async () => {
  const without = ["t1.nii.gz", "t1ce.nii", "flair.nii.gz"];
  const { opinions } = await nifti("less", without, ["t2"]);
  const images = opinions[opinions.indexOf("--images") + 1].split(",").map((each) => each.split("=")[0]);
  expect(images).toEqual(["t1", "t1ce", "flair"]);
  const missing = { code: "modality-missing" };
  await expect(nifti("untrained", without, [])).rejects.toMatchObject({ ...missing, actual: "no t2.nii.gz" });
  await expect(nifti("misspelt", [...without, "T2w.nii.gz"], ["t2"])).rejects.toMatchObject({
    ...missing,
    actual: "1 of other names",
  });
  await expect(nifti("reference", ["t1.nii", "t2.nii", "flair.nii"], ["t1ce"])).rejects.toMatchObject(missing);
});

async function started(name: string, script: string, stop = new AbortController()) {
  const at = (part: string): string => join(root, name, part);
  for (const part of ["files", "results", "work"]) await mkdir(at(part), { recursive: true });
  await writeFile(at("launcher.mjs"), script);
  const job = { kind: "dicom", files: at("files"), results: at("results"), work: at("work") } as Job;
  return { job, work: segmentProcess({ launcher: at("launcher.mjs"), args: [] })(job, stop.signal) };
}

it("tells what it said, and nothing else", async () => {
  const said = { out: "label-map.nii.gz", volumesMl: { WT: 3 }, opinions: 1, modelSha256: "ab" };
  const { work } = await started("good", `setTimeout(() => console.log(${JSON.stringify(JSON.stringify(said))}), 50);`);
  expect(await work).toEqual({ volumesMl: { WT: 3 }, opinions: 1, modelSha256: "ab" });
});

it("hands on an error under its own code, and calls anything else internal", async () => {
  const error = { code: "modality-missing", subject: "study", expected: "flair", actual: "none", hint: "Look." };
  const fails = (said: string): string =>
    `setTimeout(() => { console.log(${JSON.stringify(said)}); process.exit(3); }, 50);`;
  const { work } = await started("bad", fails(JSON.stringify({ error })));
  await expect(work).rejects.toMatchObject(error);
  const { work: mute } = await started("mute", fails("no JSON"));
  await expect(mute).rejects.toMatchObject({ code: "internal", actual: "an end with exit code 3" });
});

it("tells an end that nobody asked for, as where the system runs out of memory", async () => {
  const { work } = await started("killed", `setTimeout(() => process.kill(process.pid, "SIGKILL"), 50);`);
  await expect(work).rejects.toMatchObject({ code: "internal", actual: "an end by SIGKILL, from outside" });
});

it("that is asked to stop ends before the job does", async () => {
  const stop = new AbortController();
  const { job, work } = await started("stopped", SLOW, stop);
  const ended = work.catch((error: unknown) => error);
  await expect.poll(() => readdir(job.work), { timeout: 20_000 }).toEqual(["scan.nii"]);
  const pid = Number(await readFile(join(job.work, "scan.nii"), "utf8"));
  expect(() => process.kill(pid, 0)).not.toThrow();
  stop.abort();
  expect(await ended).toMatchObject({ code: "internal", actual: "an end with exit code 130" });
  expect(() => process.kill(pid, 0)).toThrow(/ESRCH/);
});
