/**
 * Every failure as the product's one error, and as what a person reads. Rules for messages: what failed, what was
 * expected, what came; then one hint, which is an instruction. No stack, except with CONSILIUM_DEBUG.
 */
import { ConsiliumError, type ErrorCode } from "../base/index.ts";

/** What the operating system refused, by its own codes (errno). */
const SYSTEM_ERRORS: Readonly<Record<string, { code: ErrorCode; expected: string; hint: string }>> = {
  ENOENT: { code: "file-not-found", expected: "a file or folder that exists", hint: "Check the path." },
  ENOTDIR: { code: "file-not-found", expected: "a folder", hint: "Check the path: a part of it is a file." },
  EISDIR: { code: "file-unreadable", expected: "a file", hint: "Give the path of a file, not of a folder." },
  EEXIST: { code: "file-exists", expected: "a new file", hint: "Move what is there away, or choose another path." },
  EACCES: { code: "file-unreadable", expected: "permission", hint: "Check who owns the file or folder, and its mode." },
  EPERM: { code: "file-unreadable", expected: "permission", hint: "Check who owns the file or folder, and its mode." },
  EROFS: { code: "folder-not-writable", expected: "a folder that can be written to", hint: "Choose another folder." },
  ENOSPC: { code: "disk-full", expected: "space on the disk", hint: "Free some space and run the command again." },
  EDQUOT: { code: "disk-full", expected: "space in the quota", hint: "Free some space and run the command again." },
  ECONNREFUSED: {
    code: "unreachable",
    expected: "an answer",
    hint: "Check that the coordinator runs, and its address.",
  },
  ECONNRESET: {
    code: "unreachable",
    expected: "an answer",
    hint: "Try again; ask the coordinator's operator if it stays.",
  },
  ENOTFOUND: { code: "unreachable", expected: "a host that resolves", hint: "Check the address and the network." },
  ETIMEDOUT: { code: "unreachable", expected: "an answer in time", hint: "Check the network and the firewall." },
  EADDRINUSE: {
    code: "usage",
    expected: "a free port",
    hint: "Another process listens there: stop it or choose another.",
  },
};

export function toConsiliumError(error: unknown): ConsiliumError {
  if (error instanceof ConsiliumError) return error;
  const { code, path, syscall, message } = (error ?? {}) as NodeJS.ErrnoException;
  const known = code === undefined ? undefined : SYSTEM_ERRORS[code];
  if (known !== undefined) {
    const actual = syscall === undefined ? String(code) : `${code} from ${syscall}`;
    return new ConsiliumError(known.code, { subject: path ?? "system", ...known, actual, cause: error });
  }
  return new ConsiliumError("internal", {
    subject: "consilium",
    expected: "no unforeseen error",
    actual: message ?? String(error),
    hint: "This is a defect: run it again with CONSILIUM_DEBUG=1 and report what it prints.",
    cause: error,
  });
}

export function describeError(error: ConsiliumError, debug: boolean): string {
  const { code, subject, expected, actual, hint } = error;
  const who = subject.startsWith("consilium") ? subject : `consilium: ${subject}`;
  const lines = [`${who}: expected ${expected}, got ${actual} [${code}]`, `  ${hint}`];
  if (debug) lines.push(stackOf(error));
  return lines.join("\n");
}

function stackOf(error: Error): string {
  const { cause } = error;
  return `${error.stack ?? error.message}${cause instanceof Error ? `\ncaused by ${stackOf(cause)}` : ""}`;
}

/** The reason that an interrupted command's signal carries. */
export function interrupted(signal: NodeJS.Signals): ConsiliumError {
  return new ConsiliumError("interrupted", {
    subject: "consilium",
    expected: "to finish",
    actual: signal,
    hint: "Run the command again: a coordinator or a site goes on where it was, other work begins anew.",
  });
}
