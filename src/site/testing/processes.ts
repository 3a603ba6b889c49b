/** A coordinator and sites as processes of their own, for tests that kill them. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

/** What no wait for a line takes on any machine that tests run on; a wait that does is told with what was said last. */
const LONGEST_WAIT_MS = 90_000;
const LAST_LINES = 12;

/** Scripts beside this one, and a coordinator that dies at a moment of its own. */
const SCRIPTS = {
  "coordinator-process": "./coordinator-process.ts",
  "site-process": "./site-process.ts",
  "run-coordinator": "../../coordinator/testing/run-coordinator.ts",
} as const;
type Script = keyof typeof SCRIPTS;

type Line = Record<string, unknown>;

export interface TestProcess {
  /** Lines of JSON that it printed so far. */
  readonly lines: readonly Line[];
  /** Resolves at the first line, printed or to come, that fits. Fails where it ends first, or says nothing that fits. */
  until(fits: (line: Line) => boolean): Promise<Line>;
  /** SIGKILL, and gone when this resolves. */
  kill(): Promise<void>;
  /** Its exit code, once it ended; null where it was killed. */
  readonly ended: Promise<number | null>;
}

export interface Processes {
  start(script: Script, ...args: string[]): TestProcess;
  /** Kills what still runs. */
  close(): Promise<void>;
}

/** Each script is made one file beforehand: a test that starts dozens of processes waits for none of them to be compiled. */
export async function openProcesses(): Promise<Processes> {
  const cache = fileURLToPath(new URL("../../../node_modules/.cache/", import.meta.url));
  await mkdir(cache, { recursive: true });
  const folder = await mkdtemp(join(cache, "consilium-processes-"));
  await build({
    entryPoints: Object.entries(SCRIPTS).map(([out, path]) => ({
      out,
      in: fileURLToPath(new URL(path, import.meta.url)),
    })),
    outdir: folder,
    outExtension: { ".js": ".mjs" },
    bundle: true,
    platform: "node",
    format: "esm",
    packages: "external",
  });
  const running = new Set<TestProcess>();
  return {
    start(script, ...args) {
      const started = startProcess(join(folder, `${script}.mjs`), args);
      running.add(started);
      void started.ended.then(() => running.delete(started));
      return started;
    },
    async close() {
      await Promise.all([...running].map((each) => each.kill()));
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function startProcess(path: string, args: readonly string[]): TestProcess {
  const child: ChildProcess = spawn(process.execPath, [path, ...args], { stdio: ["ignore", "pipe", "inherit"] });
  const lines: Line[] = [];
  const waiting = new Set<() => void>();
  const ended = new Promise<number | null>((resolve) => child.once("exit", (code) => resolve(code)));
  if (child.stdout !== null) {
    createInterface({ input: child.stdout }).on("line", (line) => {
      lines.push(JSON.parse(line) as Line);
      for (const look of [...waiting]) look();
    });
  }
  const unheard = (fits: unknown, why: string): Error =>
    new Error(
      `${[path, ...args].join(" ")} ${why} before it said ${fits}; it said last: ${JSON.stringify(lines.slice(-LAST_LINES))}`,
    );
  return {
    lines,
    ended,
    until: (fits) =>
      new Promise((resolve, reject) => {
        const end = (): void => {
          waiting.delete(look);
          clearTimeout(timer);
        };
        const look = (): void => {
          const found = lines.find(fits);
          if (found === undefined) return;
          end();
          resolve(found);
        };
        const giveUp = (why: string): void => {
          end();
          reject(unheard(fits, why));
        };
        const timer = setTimeout(() => giveUp(`ran for ${LONGEST_WAIT_MS / 1000} s`), LONGEST_WAIT_MS);
        waiting.add(look);
        void ended.then((code) => {
          look();
          if (waiting.has(look)) giveUp(`ended with ${code}`);
        });
        look();
      }),
    async kill() {
      child.kill("SIGKILL");
      await ended;
    },
  };
}
