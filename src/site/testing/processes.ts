/** A coordinator and sites as processes of their own, for tests that kill them. */
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";

export interface TestProcess {
  /** Lines of JSON that it printed so far. */
  readonly lines: Record<string, unknown>[];
  /** Resolves at the first line, printed or to come, that fits. */
  until(fits: (line: Record<string, unknown>) => boolean): Promise<Record<string, unknown>>;
  /** SIGKILL, and gone when this resolves. */
  kill(): Promise<void>;
  /** Its exit code, once it ended. */
  readonly ended: Promise<number | null>;
}

/** A script beside this one, or a coordinator that dies at a moment of its own. */
const SCRIPTS = {
  "coordinator-process": "./coordinator-process.ts",
  "site-process": "./site-process.ts",
  "run-coordinator": "../../coordinator/testing/run-coordinator.ts",
} as const;

export function startProcess(script: keyof typeof SCRIPTS, ...args: string[]): TestProcess {
  const path = new URL(SCRIPTS[script], import.meta.url).pathname;
  const child: ChildProcess = spawn(process.execPath, ["--import", "tsx", path, ...args], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const lines: Record<string, unknown>[] = [];
  const waiting = new Set<() => void>();
  const ended = new Promise<number | null>((resolve) => child.once("exit", (code) => resolve(code)));
  if (child.stdout !== null) {
    createInterface({ input: child.stdout }).on("line", (line) => {
      lines.push(JSON.parse(line) as Record<string, unknown>);
      for (const look of [...waiting]) look();
    });
  }
  return {
    lines,
    ended,
    until: (fits) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          const found = lines.find(fits);
          if (found === undefined) return;
          waiting.delete(look);
          resolve(found);
        };
        waiting.add(look);
        void ended.then((code) => {
          look();
          if (waiting.has(look)) reject(new Error(`${script} ended with ${code} before it said that`));
        });
        look();
      }),
    async kill() {
      child.kill("SIGKILL");
      await ended;
    },
  };
}
