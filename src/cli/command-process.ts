/**
 * Commands of this program as processes beside a console, with `--json`: what they take of memory and of a processor is
 * theirs alone, and the console goes on answering.
 */
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { ConsiliumError, ERROR_CODES, type ErrorCode } from "../base/index.ts";
import type { Registered, RegisterOrder, StudyCommands, Work } from "../console/index.ts";
import type { Replay, SubmittedStudy } from "../coordinator/index.ts";
import type { Examination } from "../site/index.ts";
import { endInWords, endOf, textOf } from "./child-process.ts";

/** A replay tells some 300 characters a round. */
const OUTPUT_CHARS = 64 << 20;

interface Started {
  readonly launcher: string;
  readonly home: string;
}

export function doctorProcess({ launcher, home }: Started): Work<Examination> {
  return commandProcess(launcher, "doctor", () => ["site", "doctor", "--home", home], "findings");
}

export function replayProcess({ launcher, home }: Started): Work<Replay> {
  return commandProcess(launcher, "replay", () => ["replay", "--home", home], "rounds");
}

/** As `study submit --json` writes it. */
interface SubmittedDocument extends Omit<SubmittedStudy, "hash"> {
  readonly studyHash: SubmittedStudy["hash"];
}

interface StudyOrder {
  readonly path: string;
  readonly sites: readonly string[];
}

/** Reads studies whose network or weights are files. */
export function studyProcesses({ launcher, home }: Started): StudyCommands {
  const check = commandProcess<{ studyHash: string }, string>(
    launcher,
    "study",
    (path) => ["study", "check", path],
    "studyHash",
  );
  const submit = commandProcess<SubmittedDocument, StudyOrder>(launcher, "study", submitArgs(home), "studyHash");
  const silent = (): void => undefined;
  return {
    async check(path, signal) {
      await check(signal, silent, path);
    },
    async submit(path, sites, signal) {
      const { studyHash: hash, name, roster, notJoined } = await submit(signal, silent, { path, sites });
      return { hash, name, roster, notJoined };
    },
  };
}

function submitArgs(home: string): (order: StudyOrder) => readonly string[] {
  return ({ path, sites }) => [
    ...["study", "submit", path, "--home", home],
    ...(sites.length === 0 ? [] : [`--sites=${sites.join(",")}`]),
  ];
}

/** As `site data --json` writes it. */
interface RegisteredDocument extends Omit<Registered, "excluded" | "outliers"> {
  readonly excluded: readonly unknown[];
  readonly outliers: readonly unknown[];
}

export function registerProcess({ launcher, home }: Started): Work<Registered, RegisterOrder> {
  const argsOf = (order: RegisterOrder): readonly string[] => registerArgs(home, order);
  const register = commandProcess<RegisteredDocument, RegisterOrder>(launcher, "registration", argsOf, "training");
  return async (signal, tell, order) => {
    const { training, validation, added, gone, privateCounts, excluded, outliers } = await register(
      signal,
      tell,
      order,
    );
    const [left, far] = [excluded.length, outliers.length];
    return { training, validation, added, gone, privateCounts, excluded: left, outliers: far };
  };
}

function registerArgs(home: string, order: RegisterOrder): readonly string[] {
  const { dataset, labels, mayMiss, excludeBroken, counts } = order;
  return [
    ...["site", "data", "--home", home, "--dataset", dataset],
    ...(labels === null ? [] : ["--labels", labels]),
    ...(mayMiss.length === 0 ? [] : ["--may-miss", mayMiss.join(",")]),
    ...(excludeBroken ? ["--exclude-broken"] : []),
    ...(counts === "as before" ? [] : [counts === "private" ? "--private-counts" : "--tell-counts"]),
  ];
}

/** @param key by which its document is known from a refusal's */
function commandProcess<Result extends object, Order>(
  launcher: string,
  subject: string,
  argsOf: (order: Order) => readonly string[],
  key: keyof Result & string,
): Work<Result, Order> {
  return async (signal, tell, order) => {
    const args = argsOf(order);
    const child = spawn(process.execPath, [launcher, ...args, "--json"], { stdio: ["ignore", "pipe", "pipe"] });
    const output = textOf(child.stdout, OUTPUT_CHARS);
    createInterface({ input: child.stderr }).on("line", tell);
    const end = await endOf(child, signal);
    const said = parsed(output());
    if (key in said) return said as Result;
    const { error } = said;
    if (error !== undefined && Object.hasOwn(ERROR_CODES, error.code)) {
      throw new ConsiliumError(error.code as ErrorCode, error);
    }
    throw new ConsiliumError("internal", {
      subject,
      expected: "work to its end",
      actual: endInWords(end, signal.aborted),
      hint: `If memory ran out, close other programs; otherwise run \`consilium ${args
        .slice(0, 2)
        .filter((word) => !word.startsWith("-"))
        .join(" ")}\` to see more.`,
    });
  };
}

interface Said {
  readonly error?: Record<"code" | "subject" | "expected" | "actual" | "hint", string>;
}

function parsed(output: string): Said {
  try {
    return JSON.parse(output) as Said;
  } catch {
    return {};
  }
}
