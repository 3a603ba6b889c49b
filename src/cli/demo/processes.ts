/**
 * The product's own commands as processes, for the demonstration: each hospital and the coordinator is a process of
 * its own, started the way an operator would start it.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { ConsiliumError, ERROR_CODES, type ErrorCode, type Json } from "../../base/index.ts";

export interface RunningCommand {
  readonly pid: number;
  /** The JSON document that the command ends with; rejects where it fails. */
  readonly ended: Promise<Json>;
  /** True once the command wrote this to standard error. */
  says(text: string): Promise<true>;
  stop(): Promise<void>;
}

export interface Commands {
  /** Runs a command to its end. @throws ConsiliumError as the command reported it. */
  run(...args: readonly string[]): Promise<Json>;
  start(...args: readonly string[]): RunningCommand;
  /** Stops whatever still runs. */
  stopAll(): Promise<void>;
  /** Largest resident set of any process so far, in bytes; 0 where the system does not tell. */
  peakRssBytes(): number;
}

const STOP_PATIENCE_MS = 10_000;
const SAMPLE_EVERY_MS = 500;
const KEPT_STDERR_CHARS = 4_000;

export function createCommands(launcher: string, signal: AbortSignal): Commands {
  const running = new Set<RunningCommand>();
  let peak = 0;
  const sampling = setInterval(() => {
    for (const { pid } of running) peak = Math.max(peak, peakOf(pid));
  }, SAMPLE_EVERY_MS);
  sampling.unref();

  function start(...args: readonly string[]): RunningCommand {
    signal.throwIfAborted();
    const child = spawn(process.execPath, [launcher, ...args, "--json"], { stdio: ["ignore", "pipe", "pipe"] });
    const command: RunningCommand = {
      pid: child.pid ?? 0,
      ended: documentOf(child, args.slice(0, 2).join(" ")).finally(() => {
        running.delete(command);
      }),
      says: (text) => heard(child, text),
      stop: () => stopped(child),
    };
    running.add(command);
    command.ended.catch(() => undefined);
    return command;
  }
  async function stopAll(): Promise<void> {
    clearInterval(sampling);
    await Promise.all([...running].map((command) => command.stop()));
  }
  return { start, run: (...args) => start(...args).ended, stopAll, peakRssBytes: () => peak };
}

async function documentOf(child: ChildProcess, name: string): Promise<Json> {
  let [stdout, stderr] = ["", ""];
  child.stdout?.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    stderr = (stderr + text).slice(-KEPT_STDERR_CHARS);
  });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on("close", resolve);
    child.on("error", reject);
  });
  const document = parse(stdout);
  if (code === 0 && document !== undefined) return document;
  const { error } = (document ?? {}) as { error?: Record<string, string> };
  const told = error !== undefined && error.code in ERROR_CODES;
  throw new ConsiliumError(told ? (error.code as ErrorCode) : "internal", {
    subject: `consilium ${name}: ${error?.subject ?? "process"}`,
    expected: error?.expected ?? "exit code 0",
    actual: error?.actual ?? `${code ?? "a signal"}: ${stderr.trim().split("\n").at(-1) ?? ""}`,
    hint: error?.hint ?? "Run the command by itself to see more.",
  });
}

function heard(child: ChildProcess, text: string): Promise<true> {
  let stderr = "";
  return new Promise((resolve) => {
    child.stderr?.on("data", (piece: string) => {
      stderr = (stderr + piece).slice(-KEPT_STDERR_CHARS);
      if (stderr.includes(text)) resolve(true);
    });
  });
}

function parse(text: string): Json | undefined {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return undefined;
  }
}

async function stopped(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  await new Promise<void>((resolve) => {
    const force = setTimeout(() => child.kill("SIGKILL"), STOP_PATIENCE_MS);
    child.once("close", () => {
      clearTimeout(force);
      resolve();
    });
    child.kill("SIGINT");
  });
}

/** VmHWM of Linux's /proc: the largest that the process ever was. */
function peakOf(pid: number): number {
  try {
    const line = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"));
    return line === null ? 0 : Number(line[1]) * 1024;
  } catch {
    return 0;
  }
}
