/** What the operating system says about a file, in the product's words. */
import { ConsiliumError, type ErrorCode } from "../base/index.ts";

const NO_ROOM = new Set(["ENOSPC", "EDQUOT", "EFBIG"]);
const NO_ENTRY = new Set([
  "EACCES",
  "EPERM",
  "EROFS",
  "ENOTDIR",
  "EEXIST",
  "ENOENT",
  "EISDIR",
  "ELOOP",
  "ENAMETOOLONG",
]);

/**
 * A failed write as a ConsiliumError: `disk-full`, `folder-not-writable`, or what came where it is neither.
 * @param subject what was written, without the machine's path
 */
export function writeError(cause: unknown, subject: string): unknown {
  const code = systemCode(cause);
  if (code !== undefined && NO_ROOM.has(code)) {
    return told(
      "disk-full",
      subject,
      "room on the disk",
      code,
      "Free some space; the work goes on where it was.",
      cause,
    );
  }
  if (code !== undefined && NO_ENTRY.has(code)) {
    const hint = "Check that the folder exists and that this user may write to it.";
    return told("folder-not-writable", subject, "a folder to write to", code, hint, cause);
  }
  return cause;
}

/** The errno name of a system error, such as ENOSPC. */
export function systemCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !("code" in error)) return undefined;
  return typeof error.code === "string" ? error.code : undefined;
}

function told(
  code: ErrorCode,
  subject: string,
  expected: string,
  actual: string,
  hint: string,
  cause: unknown,
): ConsiliumError {
  return new ConsiliumError(code, { subject, expected, actual, hint, cause });
}
