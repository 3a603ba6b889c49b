/** The command line as processes in a folder of their own, which end with the test. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const LAUNCHER = fileURLToPath(new URL("../../bin/consilium.mjs", import.meta.url));

export interface Processes {
  readonly folder: string;
  start(...args: string[]): ChildProcess;
  /** Runs a command to its end. @returns standard output */
  run(...args: string[]): Promise<string>;
  close(): Promise<void>;
}

export function openProcesses(name: string): Processes {
  const folder = mkdtempSync(join(tmpdir(), `consilium-${name}-`));
  const running = new Set<ChildProcess>();
  function start(...args: string[]): ChildProcess {
    const child = spawn(process.execPath, [LAUNCHER, ...args], { cwd: folder, stdio: ["ignore", "pipe", "pipe"] });
    running.add(child);
    child.on("close", () => running.delete(child));
    return child;
  }
  return {
    folder,
    start,
    async run(...args) {
      const child = start(...args);
      let [out, err] = ["", ""];
      child.stdout?.on("data", (text) => {
        out += text;
      });
      child.stderr?.on("data", (text) => {
        err += text;
      });
      const code = await new Promise((resolve) => child.on("close", resolve));
      if (code !== 0) throw new Error(`consilium ${args.join(" ")}: ${err}`);
      return out;
    },
    async close() {
      const ended = [...running].map((child) => new Promise((resolve) => child.on("close", resolve)));
      for (const child of running) child.kill("SIGTERM");
      await Promise.all(ended);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Founds a federation whose coordinator runs from home `c`; `tum` joins it, with home `site`. */
export async function foundWithOneSite({ run, start }: Processes, name: string): Promise<void> {
  await run("coordinator", "init", "--home", "c", "--name", name, "--listen", "127.0.0.1:0", "--unencrypted");
  await says(start("coordinator", "start", "--home", "c"), /Dashboard at/);
  await run("coordinator", "invite", "--home", "c", "--site", "tum", "--out", "tum.invitation");
  await run("site", "join", "--home", "site", "--invitation", "tum.invitation");
}

/** Resolves with the first match in what a process writes. */
export function says(child: ChildProcess, pattern: RegExp): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = "";
    const take = (data: Buffer): void => {
      text += data.toString();
      const match = pattern.exec(text);
      if (match !== null) resolve(match[0]);
    };
    child.stdout?.on("data", take);
    child.stderr?.on("data", take);
    child.on("close", () => reject(new Error(`ended before it said ${pattern}: ${text.slice(-2000)}`)));
  });
}
