/** The token of the segmentation service: 256 random bits in a file that its owner alone can read. */
import { randomBytes } from "node:crypto";
import { readFile, stat, writeFile } from "node:fs/promises";
import { ConsiliumError } from "../../base/index.ts";

const MIN_CHARS = 32;

/** @throws ConsiliumError `file-unreadable` for a file that others can read, or whose token can be guessed. */
export async function readOrMakeToken(path: string): Promise<string> {
  try {
    await writeFile(path, `${randomBytes(32).toString("base64url")}\n`, { flag: "wx", mode: 0o600 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
  const { mode } = await stat(path);
  const token = (await readFile(path, "utf8")).trim();
  const open = process.platform !== "win32" && (mode & 0o077) !== 0;
  if (!open && token.length >= MIN_CHARS) return token;
  throw new ConsiliumError("file-unreadable", {
    subject: path,
    expected: open ? "a file that its owner alone can read" : `a token of at least ${MIN_CHARS} characters`,
    actual: open ? `mode ${(mode & 0o777).toString(8)}` : `${token.length} characters`,
    hint: open ? "Run chmod 600 on it." : "Remove the file: a new token is made.",
  });
}
