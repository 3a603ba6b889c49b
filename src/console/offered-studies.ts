/**
 * Studies that browsers check and submit. One without files of its own is opened here; one whose network or first weights
 * are files is opened by a process beside the console, as the commands open it: reading a network takes its time and
 * memory, and sites are answered all the while.
 *
 * Invariants: a study names no file but those that its session brought; one process at a time, ended by its limit or with
 * the console; what is submitted is the study of the hash that was shown.
 */
import { writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { ConsiliumError, LIMITS, type Sha256, timeLimit } from "../base/index.ts";
import type { Coordinator, StudyToSubmit, SubmittedStudy } from "../coordinator/index.ts";
import { writeError } from "../protocol/index.ts";
import { type LoadedStudy, loadStudyText, type Study, studyHash } from "../study/index.ts";
import { signInRequired } from "./refusals.ts";
import type { Session } from "./sessions.ts";
import type { StudyFiles } from "./study-files.ts";

const SUBJECT = "study";

/** Commands on study files. @throws ConsiliumError what they refuse */
export interface StudyCommands {
  check(path: string, signal: AbortSignal): Promise<void>;
  submit(path: string, sites: readonly string[], signal: AbortSignal): Promise<SubmittedStudy>;
}

export interface OfferedStudiesOptions {
  readonly coordinator: Pick<Coordinator, "submitStudy">;
  readonly files: StudyFiles;
  readonly commands: StudyCommands;
  /** A study without files of its own, made ready to submit. @throws ConsiliumError `study-invalid` */
  readonly openStudy: (study: Study) => StudyToSubmit;
}

interface ToSubmit {
  readonly yaml: string;
  /** All that have joined where it is empty. */
  readonly sites: readonly string[];
  /** Of the study that was shown; empty where none was. */
  readonly hash: string;
}

export interface OfferedStudies {
  /** @throws ConsiliumError `study-invalid`, `file-not-found`, and what the study's files are refused for */
  check(yaml: string, owner: Session | undefined): Promise<Study>;
  submit(asked: ToSubmit, owner: Session | undefined): Promise<SubmittedStudy>;
  close(): Promise<void>;
}

export function offeredStudies({ coordinator, files, commands, openStudy }: OfferedStudiesOptions): OfferedStudies {
  const closing = new AbortController();
  let running: Promise<unknown> | undefined;

  async function load(yaml: string, owner: Session): Promise<LoadedStudy> {
    return loadStudyText(yaml, SUBJECT, async (named, subject) => {
      const name = basename(named);
      const found = files.find(owner, name);
      if (found?.sha256 == null) throw notBrought(subject, name, found !== undefined);
      return { path: name, sha256: found.sha256 };
    });
  }

  /** Does something with a file of the study that lies beside what it names. */
  async function beside<T>(
    { study }: LoadedStudy,
    owner: Session,
    work: (path: string, signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    if (running !== undefined) throw busy();
    const limit = timeLimit(closing.signal, LIMITS.consoleStudyMs);
    const doing = (async () => work(await writeStudy(study, files.folderOf(owner) ?? ""), limit.signal))();
    running = doing.catch(() => undefined);
    try {
      return await doing;
    } finally {
      limit.release();
      running = undefined;
    }
  }

  return {
    async check(yaml, session) {
      const owner = known(session);
      const loaded = await load(yaml, owner);
      if (namesFiles(loaded)) await beside(loaded, owner, commands.check);
      else openStudy(loaded.study);
      return loaded.study;
    },
    async submit({ yaml, sites, hash }, session) {
      const owner = known(session);
      const loaded = await load(yaml, owner);
      checkHash(hash, studyHash(loaded.study));
      if (!namesFiles(loaded)) {
        return coordinator.submitStudy({ ...openStudy(loaded.study), ...(sites.length > 0 && { sites }) });
      }
      const submitted = await beside(loaded, owner, (path, signal) => commands.submit(path, sites, signal));
      await files.removeAll(owner);
      return submitted;
    },
    async close() {
      closing.abort();
      await running;
    },
  };
}

function known(session: Session | undefined): Session {
  if (session === undefined) throw signInRequired();
  return session;
}

function namesFiles({ initialFile, modelFile }: LoadedStudy): boolean {
  return initialFile !== undefined || modelFile !== undefined;
}

/** JSON is YAML; files are named as they lie beside it, by the digests that they came with. */
async function writeStudy({ network, initial, ...rest }: Study, folder: string): Promise<string> {
  const inFolder = <T extends { readonly file: string }>(named: T): T => ({ ...named, file: `files/${named.file}` });
  const study = {
    ...rest,
    network: network.kind === "onnx" ? inFolder(network) : network,
    ...(initial && { initial: inFolder(initial) }),
  };
  const path = join(folder, SUBJECT);
  await writeFile(path, JSON.stringify(study), { mode: 0o600 }).catch((error: unknown) => {
    throw writeError(error, SUBJECT);
  });
  return path;
}

function checkHash(shown: string, came: Sha256): void {
  if (shown === "" || shown === came) return;
  throw new ConsiliumError("study-invalid", {
    subject: SUBJECT,
    expected: `the study of hash ${shown.slice(0, 64)}, which was shown`,
    actual: `one of hash ${came}`,
    hint: "Its text or its files were changed since: check it again.",
  });
}

function notBrought(subject: string, name: string, begun: boolean): ConsiliumError {
  return new ConsiliumError("file-not-found", {
    subject,
    expected: `a file ${name}, chosen below the study's text`,
    actual: begun ? "a part of it" : "none of that name",
    hint: "Choose the file, wait until it is there, and check the study again; `consilium study submit` finds it by its path.",
  });
}

function busy(): ConsiliumError {
  return new ConsiliumError("limit-exceeded", {
    subject: "studies with files of their own",
    expected: "one at a time",
    actual: "another that is being checked or submitted",
    hint: "Wait a moment, and try again.",
  });
}
