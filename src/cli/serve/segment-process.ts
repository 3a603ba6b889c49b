/**
 * A job's work as a process of its own, `consilium segment --json`: the service goes on answering meanwhile, a crash
 * takes one job along and no other, and memory goes back when it ends.
 */
import { spawn } from "node:child_process";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { ConsiliumError, ERROR_CODES, type ErrorCode, type Json } from "../../base/index.ts";
import { MODALITIES, type Modality } from "../../imaging/index.ts";
import { type End, endInWords, endOf, textOf } from "../child-process.ts";
import type { Job, Work } from "./job-store.ts";

export interface SegmentProcessOptions {
  readonly launcher: string;
  /** Arguments of `segment` beside the job's own. */
  readonly args: readonly string[];
  /** Scans that the models were trained to do without. */
  readonly mayMiss?: readonly Modality[];
}

export function segmentProcess({ launcher, args, mayMiss = [] }: SegmentProcessOptions): Work {
  return async (job, signal) => {
    const own = await argumentsOf(job, mayMiss);
    const child = spawn(process.execPath, [launcher, "segment", "--json", "--quiet", ...args, ...own], {
      stdio: ["ignore", "pipe", "ignore"],
      // What it keeps for itself meanwhile goes with the job, even where it was killed.
      env: { ...process.env, TMPDIR: job.work, TEMP: job.work, TMP: job.work },
    });
    const output = textOf(child.stdout);
    const end = await endOf(child, signal);
    return outcomeOf(output(), end, signal.aborted);
  };
}

async function argumentsOf({ kind, files, results }: Job, mayMiss: readonly Modality[]): Promise<string[]> {
  const at = (name: string): string => join(results, name);
  const always = ["--out", at("label-map.nii.gz"), "--report", at("report.html")];
  if (kind === "dicom") {
    return [...always, "--dicom", files, "--dicom-seg", at("segmentation.dcm"), "--rtstruct", at("structures.dcm")];
  }
  const names = await readdir(files);
  const images = MODALITIES.flatMap((modality) => {
    const name = names.find((each) => each === `${modality}.nii.gz` || each === `${modality}.nii`);
    if (name !== undefined) return [{ modality, name }];
    if (modality !== "t1ce" && mayMiss.includes(modality)) return [];
    throw new ConsiliumError("modality-missing", {
      subject: "job",
      expected: MODALITIES.map((each) => `${each}.nii.gz`).join(", "),
      actual: `no ${modality}.nii.gz`,
      hint: "Send the four scans under these names; the model was not trained to do without this one.",
    });
  });
  // A scan under another name would be taken for a missing one.
  const others = names.filter((each) => !images.some(({ name }) => name === each)).length;
  if (images.length < MODALITIES.length && others > 0) throw strayFiles(others);
  return [...always, "--images", images.map(({ modality, name }) => `${modality}=${join(files, name)}`).join(",")];
}

function strayFiles(count: number): ConsiliumError {
  return new ConsiliumError("modality-missing", {
    subject: "job",
    expected: `files named ${MODALITIES.map((each) => `${each}.nii.gz`).join(", ")} alone, where a scan is missing`,
    actual: `${count} of other names`,
    hint: "Send each scan under its name, and nothing else.",
  });
}

/** What the process said, without paths of this machine. */
function outcomeOf(output: string, end: End, asked: boolean): Json {
  let said: { readonly [key: string]: unknown };
  try {
    said = JSON.parse(output) as { [key: string]: unknown };
  } catch {
    said = {};
  }
  if (end.code === 0) {
    const { volumesMl, uncertaintyMl, opinions, missing, modelSha256 } = said as { readonly [key: string]: Json };
    return { volumesMl, uncertaintyMl, opinions, missing, modelSha256 };
  }
  const { error } = said as { error?: Record<"code" | "subject" | "expected" | "actual" | "hint", string> };
  if (error !== undefined && Object.hasOwn(ERROR_CODES, error.code)) {
    throw new ConsiliumError(error.code as ErrorCode, error);
  }
  throw new ConsiliumError("internal", {
    subject: "job",
    expected: "work to its end",
    actual: endInWords(end, asked),
    hint: "If memory ran out, give the service more; otherwise try the job with `consilium segment`.",
  });
}
