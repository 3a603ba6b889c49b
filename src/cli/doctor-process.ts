/**
 * `consilium site doctor --json` as a process of its own: the memory that it measures is that of the work alone, and the
 * console goes on answering.
 */
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { ConsiliumError, ERROR_CODES, type ErrorCode } from "../base/index.ts";
import type { Examine } from "../console/index.ts";
import type { Examination } from "../site/index.ts";
import { endInWords, endOf, textOf } from "./child-process.ts";

export interface DoctorProcessOptions {
  readonly launcher: string;
  readonly home: string;
}

export function doctorProcess({ launcher, home }: DoctorProcessOptions): Examine {
  return async (signal, tell) => {
    const child = spawn(process.execPath, [launcher, "site", "doctor", "--home", home, "--json"], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    const output = textOf(child.stdout);
    createInterface({ input: child.stderr }).on("line", tell);
    const end = await endOf(child, signal);
    const said = parsed(output());
    if (said.findings !== undefined) return said as Examination;
    if (said.error !== undefined && Object.hasOwn(ERROR_CODES, said.error.code)) {
      throw new ConsiliumError(said.error.code as ErrorCode, said.error);
    }
    throw new ConsiliumError("internal", {
      subject: "doctor",
      expected: "an examination to its end",
      actual: endInWords(end, signal.aborted),
      hint: "If memory ran out, close other programs; otherwise run `consilium site doctor --home HOME` to see more.",
    });
  };
}

type Said = Partial<Examination> & {
  readonly error?: Record<"code" | "subject" | "expected" | "actual" | "hint", string>;
};

function parsed(output: string): Said {
  try {
    return JSON.parse(output) as Said;
  } catch {
    return {};
  }
}
