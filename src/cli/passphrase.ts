/**
 * Where the passphrase of the authority's key comes from: a file, the environment, what is kept for this account, or the
 * terminal, where it is typed unseen. It is never an argument, which every process of a machine can read.
 */
import { readFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import { Writable } from "node:stream";
import { ConsiliumError } from "../base/index.ts";
import { type KeptPassphrase, keepPassphrase, keptPassphrase } from "./kept-passphrase.ts";
import { option } from "./options.ts";

const VARIABLE = "CONSILIUM_CA_PASSPHRASE";

export const passphraseOptions = {
  passphraseFile: option.text(
    "FILE",
    `file with the passphrase of the authority's key (or ${VARIABLE}, or typed when asked)`,
  ),
} as const;

export interface PassphraseSource {
  readonly file: string | undefined;
  /** The environment variable to look into, where not the usual one. */
  readonly variable?: string | undefined;
}

/** The passphrase of a home; undefined where its key is not sealed. @throws ConsiliumError `passphrase-missing` */
export async function presentPassphrase(home: string, source: PassphraseSource): Promise<string | undefined> {
  const { isAuthoritySealed } = await import("../coordinator/index.ts");
  if (!(await isAuthoritySealed(home))) return undefined;
  const known = (await given(source)) ?? (await keptPassphrase(home))?.passphrase;
  return known ?? (await typed("Passphrase of the authority's key: ")) ?? missing();
}

/** The passphrase of a home that is founded: as `newPassphrase`, and made and kept where nobody can be asked. */
export async function foundingPassphrase(
  home: string,
  source: PassphraseSource,
): Promise<Pick<KeptPassphrase, "passphrase"> & Partial<KeptPassphrase>> {
  if ((await given(source)) !== undefined || isAtTerminal()) return { passphrase: await newPassphrase(source) };
  const { checkPassphrase } = await import("../protocol/index.ts");
  const kept = await keepPassphrase(home);
  checkPassphrase(kept.passphrase);
  return kept;
}

/** A passphrase to seal a key with, typed twice at a terminal. @throws ConsiliumError `passphrase-missing`, `usage` */
export async function newPassphrase(source: PassphraseSource): Promise<string> {
  const { checkPassphrase } = await import("../protocol/index.ts");
  const known = await given(source);
  if (known !== undefined) return checkPassphrase(known);
  const first = await typed("New passphrase for the authority's key: ");
  if (first === undefined) return missing();
  const second = await typed("The same again: ");
  if (first === second) return checkPassphrase(first);
  throw new ConsiliumError("usage", {
    subject: "passphrase",
    expected: "the same twice",
    actual: "two that differ",
    hint: "Run the command again.",
  });
}

async function given({ file, variable = VARIABLE }: PassphraseSource): Promise<string | undefined> {
  if (file === undefined) return process.env[variable];
  try {
    return (await readFile(file, "utf8")).replace(/\r?\n$/, "");
  } catch (cause) {
    const missingFile = (cause as NodeJS.ErrnoException).code === "ENOENT";
    throw new ConsiliumError("file-unreadable", {
      subject: "passphrase file",
      expected: "a file that this user may read",
      actual: missingFile ? "no such file" : String((cause as NodeJS.ErrnoException).code),
      hint: "Check --passphrase-file.",
      cause,
    });
  }
}

function isAtTerminal(): boolean {
  return process.stdin.isTTY === true && process.stderr.isTTY === true;
}

/** Undefined where nobody sits at a terminal. */
async function typed(question: string): Promise<string | undefined> {
  if (!isAtTerminal()) return undefined;
  process.stderr.write(question);
  const unseen = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({ input: process.stdin, output: unseen, terminal: true });
  try {
    return await new Promise((resolve) => {
      lines.once("line", resolve);
      lines.once("close", () => resolve(undefined));
    });
  } finally {
    lines.close();
    process.stderr.write("\n");
  }
}

function missing(): never {
  throw new ConsiliumError("passphrase-missing", {
    subject: "key of the federation's authority",
    expected: "its passphrase",
    actual: "none, and no terminal to ask at",
    hint: `Give it with --passphrase-file FILE or in ${VARIABLE}.`,
  });
}
