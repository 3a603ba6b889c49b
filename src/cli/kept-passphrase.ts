/**
 * The passphrase of a home's authority, kept for this account where nobody gave one: in the account's configuration
 * folder, apart from the home, so that a copy of the home alone opens nothing.
 */
import { randomBytes } from "node:crypto";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { ConsiliumError, sha256 } from "../base/index.ts";
import { systemCode, writeError } from "../protocol/index.ts";

const BYTES = 24;

export interface KeptPassphrase {
  readonly passphrase: string;
  readonly file: string;
}

/** By the home's path, so that a home made anew at the same place finds it again. */
function fileOf(home: string): string {
  const settings = process.env.XDG_CONFIG_HOME || join(homedir(), ".config");
  return join(settings, "consilium", "passphrases", sha256(resolve(home)).slice(0, 32));
}

/** The one that is kept for a home; undefined where there is none. */
export async function keptPassphrase(home: string): Promise<KeptPassphrase | undefined> {
  const file = fileOf(home);
  try {
    return { passphrase: (await readFile(file, "utf8")).trimEnd(), file };
  } catch (cause) {
    if (["ENOENT", "ENOTDIR"].includes(systemCode(cause) ?? "")) return undefined;
    throw new ConsiliumError("file-unreadable", {
      subject: `passphrase kept in ${file}`,
      expected: "a file that this user may read",
      actual: String(systemCode(cause)),
      hint: "Check its rights, or give the passphrase with --passphrase-file.",
      cause,
    });
  }
}

/** The one that is kept, or a new one of 192 random bits. @throws ConsiliumError `folder-not-writable`, `disk-full` */
export async function keepPassphrase(home: string): Promise<KeptPassphrase> {
  const known = await keptPassphrase(home);
  if (known !== undefined) return known;
  const made = { passphrase: randomBytes(BYTES).toString("base64url"), file: fileOf(home) };
  try {
    await mkdir(dirname(made.file), { recursive: true, mode: 0o700 });
    await writeFile(made.file, `${made.passphrase}\n`, { mode: 0o600, flag: "wx" });
  } catch (cause) {
    if (systemCode(cause) !== "EEXIST") await rm(made.file, { force: true }).catch(() => undefined);
    throw writeError(cause, "passphrase in the account's configuration folder (or say --passphrase-file)");
  }
  return made;
}

/** Once a home has another passphrase. */
export async function forgetPassphrase(home: string): Promise<void> {
  await rm(fileOf(home), { force: true });
}
