/**
 * A job's work as a process of its own, `consilium segment --json`: the service goes on answering meanwhile, a crash
 * takes one job along and no other, and memory goes back when it ends.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { ConsiliumError, ERROR_CODES, type ErrorCode, type Json, LIMITS } from "../../base/index.ts";
import { MODALITIES } from "../../imaging/index.ts";
import type { Job, Work } from "./job-store.ts";

export interface SegmentProcessOptions {
  readonly launcher: string;
  /** Arguments of `segment` beside the job's own. */
  readonly args: readonly string[];
}

const MAX_OUTPUT_CHARS = 1 << 20;

export function segmentProcess({ launcher, args }: SegmentProcessOptions): Work {
  return async (job, signal) => {
    const own = await argumentsOf(job);
    const child = spawn(process.execPath, [launcher, "segment", "--json", "--quiet", ...args, ...own], {
      stdio: ["ignore", "pipe", "ignore"],
      // What it keeps for itself meanwhile goes with the job, even where it was killed.
      env: { ...process.env, TMPDIR: job.work, TEMP: job.work, TMP: job.work },
    });
    let output = "";
    child.stdout.setEncoding("utf8");
    child.stdout.on("data", (text: string) => {
      if (output.length < MAX_OUTPUT_CHARS) output += text;
    });
    const end = await endOf(child, signal);
    return outcomeOf(output, end, signal.aborted);
  };
}

interface End {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** @returns how it went, once it is gone; asked to stop it has a short time, since it may be deep in a calculation. */
async function endOf(child: ChildProcess, signal: AbortSignal): Promise<End> {
  let last: NodeJS.Timeout | undefined;
  const stop = (): void => {
    child.kill("SIGTERM");
    last = setTimeout(() => child.kill("SIGKILL"), LIMITS.serveStopMs);
  };
  if (signal.aborted) stop();
  else signal.addEventListener("abort", stop, { once: true });
  try {
    return await new Promise<End>((resolve) => {
      child.on("close", (code, by) => resolve({ code, signal: by }));
      // Without a number it never began; what else is reported as an error ends with its close.
      child.on("error", () => (child.pid === undefined ? resolve({ code: null, signal: null }) : undefined));
    });
  } finally {
    clearTimeout(last);
    signal.removeEventListener("abort", stop);
  }
}

async function argumentsOf({ kind, files, results }: Job): Promise<string[]> {
  const at = (name: string): string => join(results, name);
  const always = ["--out", at("label-map.nii.gz"), "--report", at("report.html")];
  if (kind === "dicom") {
    return [...always, "--dicom", files, "--dicom-seg", at("segmentation.dcm"), "--rtstruct", at("structures.dcm")];
  }
  const names = await readdir(files);
  const images = MODALITIES.map((modality) => {
    const name = names.find((each) => each === `${modality}.nii.gz` || each === `${modality}.nii`);
    if (name !== undefined) return `${modality}=${join(files, name)}`;
    throw new ConsiliumError("modality-missing", {
      subject: "job",
      expected: MODALITIES.map((each) => `${each}.nii.gz`).join(", "),
      actual: `no ${modality}.nii.gz`,
      hint: "Send the four scans under these names.",
    });
  });
  return [...always, "--images", images.join(",")];
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
    actual: inWords(end, asked),
    hint: "If memory ran out, give the service more; otherwise try the job with `consilium segment`.",
  });
}

function inWords({ code, signal }: End, asked: boolean): string {
  if (code !== null) return `an end with exit code ${code}`;
  if (asked) return "a stop";
  return signal === null ? "a process that never began" : `an end by ${signal}, from outside`;
}
