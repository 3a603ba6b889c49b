/**
 * Reads a study file: YAML 1.2 with the core schema, of bounded size, without aliases, tags or repeated keys, so
 * that what a person reads is what the program reads.
 *
 * Files that the study names (weights to start from, an ONNX model) are found relative to the study file and
 * hashed into the study. Of their paths only the base name stays: the hash says which file is meant, and a study
 * goes to other institutions, which should not learn the folders of the author's machine.
 */

import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { open, stat } from "node:fs/promises";
import { basename, dirname, resolve } from "node:path";
import { parseDocument } from "yaml";
import { ConsiliumError, LIMITS, type Sha256 } from "../base/index.ts";
import { parseStudy } from "./parse-study.ts";
import type { Study } from "./schema.ts";
import type { NetworkFacts } from "./study-consistency.ts";
import { studyError } from "./study-problems.ts";

export interface LoadedStudy {
  readonly study: Study;
  /** Absolute path of `initial.file`. */
  readonly initialFile?: string;
  /** Absolute path of `network.file` where the network is an ONNX model. */
  readonly modelFile?: string;
}

export interface FoundFile {
  readonly path: string;
  readonly sha256: Sha256;
}

/** Finds a file by what the study calls it. @param subject where the study names it */
export type FindFile = (file: string, subject: string) => Promise<FoundFile>;

/**
 * @throws ConsiliumError `file-not-found`, `file-unreadable`, `limit-exceeded` or `study-invalid`, with every
 * problem of the file named.
 */
export async function loadStudyFile(path: string, facts: NetworkFacts = {}): Promise<LoadedStudy> {
  const subject = basename(path);
  const study = parseStudy(parseYaml(await readBounded(path), subject), subject, facts);
  const folder = dirname(resolve(path));
  return withItsFiles(study, subject, (file, named) => fileOnDisk(resolve(folder, file), named));
}

/**
 * A study file's text, for whoever has no such file on this machine.
 * @throws ConsiliumError `limit-exceeded` or `study-invalid`, with every problem of the text named, and what `find` throws.
 */
export async function loadStudyText(text: string, subject: string, find: FindFile): Promise<LoadedStudy> {
  if (text.length > LIMITS.studyFileBytes) {
    throw new ConsiliumError("limit-exceeded", {
      subject,
      expected: `at most ${LIMITS.studyFileBytes} characters`,
      actual: `${text.length}`,
      hint: "A study file has some dozens of lines: check what was pasted.",
    });
  }
  return withItsFiles(parseStudy(parseYaml(text, subject), subject), subject, find);
}

/** @throws ConsiliumError `study-invalid` where a file is not the one that the study declares by its hash */
async function withItsFiles(study: Study, subject: string, find: FindFile): Promise<LoadedStudy> {
  const { network, initial } = study;
  const model = network.kind === "onnx" ? await pin(network, `${subject}, network.file`, find) : undefined;
  const weights = initial === undefined ? undefined : await pin(initial, `${subject}, initial.file`, find);
  return {
    study: {
      ...study,
      ...(model && network.kind === "onnx" && { network: { ...network, ...model.reference } }),
      ...(weights && { initial: weights.reference }),
    },
    ...(weights && { initialFile: weights.path }),
    ...(model && { modelFile: model.path }),
  };
}

/** Parses the text of a study file to plain data. @throws ConsiliumError `study-invalid` */
export function parseYaml(text: string, subject: string): unknown {
  const document = parseDocument(text, {
    version: "1.2",
    schema: "core",
    uniqueKeys: true,
    strict: true,
    merge: false,
  });
  const faults = [...document.errors, ...document.warnings];
  if (faults.length > 0) {
    throw studyError(
      subject,
      faults.map((fault) => ({
        path: `line ${fault.linePos?.[0].line ?? "?"}`,
        expected: "plain YAML, each key once, without tags",
        actual: fault.message.split("\n")[0].replace(/ at line \d+, column \d+:?$/, ""),
        hint: "Correct this line.",
      })),
    );
  }
  try {
    return document.toJS({ maxAliasCount: 0 });
  } catch {
    throw studyError(subject, [
      {
        path: "",
        expected: "YAML without aliases",
        actual: "an alias (*name)",
        hint: "Write the value out where it is used.",
      },
    ]);
  }
}

async function readBounded(path: string): Promise<string> {
  const handle = await open(path, "r").catch((cause: unknown) => {
    throw fileError(path, cause);
  });
  try {
    const { size } = await handle.stat();
    if (size > LIMITS.studyFileBytes) {
      throw new ConsiliumError("limit-exceeded", {
        subject: basename(path),
        expected: `a study file of at most ${LIMITS.studyFileBytes} bytes`,
        actual: `${size} bytes`,
        hint: "A study is declared in a page or two: check that this is the file that you meant.",
      });
    }
    return await handle.readFile("utf8");
  } catch (cause) {
    throw cause instanceof ConsiliumError ? cause : fileError(path, cause);
  } finally {
    await handle.close();
  }
}

async function pin(
  declared: { readonly file: string; readonly sha256?: string | undefined },
  subject: string,
  find: FindFile,
): Promise<{ path: string; reference: { file: string; sha256: Sha256 } }> {
  const { path, sha256 } = await find(declared.file, subject);
  if (declared.sha256 !== undefined && declared.sha256 !== sha256) {
    throw new ConsiliumError("study-invalid", {
      subject,
      expected: `a file of SHA-256 ${declared.sha256}`,
      actual: sha256,
      hint: "The file is not the one that the study declares: bring the right one, or correct the hash.",
    });
  }
  return { path, reference: { file: basename(path), sha256 } };
}

async function fileOnDisk(path: string, subject: string): Promise<FoundFile> {
  const { size } = await stat(path).catch((cause: unknown) => {
    throw fileError(path, cause, subject);
  });
  if (size > LIMITS.objectBytes) {
    throw new ConsiliumError("limit-exceeded", {
      subject,
      expected: `at most ${LIMITS.objectBytes} bytes`,
      actual: `${size} bytes`,
      hint: "Use a smaller file.",
    });
  }
  const sha256 = await hashFile(path).catch((cause: unknown) => {
    throw fileError(path, cause, subject);
  });
  return { path, sha256 };
}

async function hashFile(path: string): Promise<Sha256> {
  const hash = createHash("sha256");
  for await (const piece of createReadStream(path)) hash.update(piece as Uint8Array);
  return hash.digest("hex");
}

/** @param subject where a study names the file; undefined of the study file itself */
function fileError(path: string, cause: unknown, subject?: string): ConsiliumError {
  const missing = (cause as NodeJS.ErrnoException).code === "ENOENT";
  const which = subject === undefined ? "" : ", which is relative to the study file";
  return new ConsiliumError(missing ? "file-not-found" : "file-unreadable", {
    subject: subject ?? basename(path),
    expected: "a file that can be read",
    actual: missing ? `no file ${basename(path)}` : ((cause as NodeJS.ErrnoException).code ?? "a failed read"),
    hint: missing ? `Check the path${which}.` : "Check the file and its permissions.",
    cause,
  });
}
