/** A coordinator and sites as processes of their own, for tests that kill them. */
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";

/** What no wait for a line takes on any machine that tests run on; a wait that does is told with what was said last. */
const LONGEST_WAIT_MS = 90_000;
const LAST_LINES = 12;

export interface TestProcess {
  /** Lines of JSON that it printed so far. */
  readonly lines: Record<string, unknown>[];
  /** Resolves at the first line, printed or to come, that fits. Fails where it ends first, or says nothing that fits. */
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
        const give = (why: string): void => {
          waiting.delete(look);
          clearTimeout(timer);
          reject(
            new Error(
              `${script} ${args.join(" ")} ${why}: ${lines
                .slice(-LAST_LINES)
                .map((line) => JSON.stringify(line))
                .join(" ")}`,
            ),
          );
        };
        const timer = setTimeout(
          () => give(`did not say ${fits} within ${LONGEST_WAIT_MS / 1000} s; last`),
          LONGEST_WAIT_MS,
        );
        const look = (): void => {
          const found = lines.find(fits);
          if (found === undefined) return;
          waiting.delete(look);
          clearTimeout(timer);
          resolve(found);
        };
        waiting.add(look);
        void ended.then((code) => {
          look();
          if (waiting.has(look)) give(`ended with ${code} before it said ${fits}; last`);
        });
        look();
      }),
    async kill() {
      child.kill("SIGKILL");
      await ended;
    },
  };
}
