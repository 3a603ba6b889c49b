/**
 * One round without training, from the model that goes out to the new global one: ours, beside Flower and NVFlare.
 *
 *   pip install --target flower flwr==1.42.0
 *   pip install --target nvflare nvflare==2.9.0
 *   npx tsx bench/round.ts [--sites 29] [--levels 6] [--base 32] [--flower flower] [--nvflare nvflare]
 *     [--few-at-a-time 6] [--fill-cache FILE] [--dir DIR] [--json]
 *
 * Every site takes the model, adds one to each weight and sends all weights back; the server has the mean. Levels and
 * base are of the UNet3D that says how many weights there are: 6 and 32 make 31 million.
 *
 *   ours      `coordinator start` in a process of its own; sites run the product's code with real keys over mutual TLS,
 *             an engine that only adds one in the place of training; four processes hold them all. A round is what the
 *             coordinator's status says of it
 *   Flower    `flower-superlink`, a `flower-supernode` for each site and `flwr run`, as its guide on running with the
 *             deployment engine has them, with --insecure: no TLS (bench/round/flower)
 *   NVFlare   `nvflare poc`, its guide's proof of concept on one machine: a server and a client for each site
 *             (bench/round/nvflare_round.py)
 *
 * With --few-at-a-time, for models of which the peers' clients cannot all hold one at once in the machine's memory, only so
 * many of their clients work at the same time; ours remain as they are:
 *
 *   Flower    its process mode (`flower-supernode --isolation process`): every SuperNode with a `flower-superexec` of its
 *             own, started before the round; all but so many are stopped (SIGSTOP) and each is let go (SIGCONT) when a
 *             ClientApp has ended. All SuperNodes hold the model
 *   NVFlare   its simulator (`SimEnv` with so many threads): a server in one process, and a process for a client while it
 *             works, started in the round. Without TLS. The server's memory is that of its process alone, without clients
 *
 * With --fill-cache, a file of about the machine's memory is read before each row: memory then comes from the system's
 * file cache, as on a machine that has run for days. A virtual machine may have given its free memory back to its host,
 * and pays for each page that it touches first, most where most is written to files.
 *
 * Memory is the largest proportional set size (Pss of /proc/PID/smaps_rollup) of the server with all processes that it
 * started, looked at four times a second: Linux alone.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { createReadStream, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { adminClient } from "../src/coordinator/index.ts";
import { networkOfStudy } from "../src/networks/index.ts";
import { parseStudy } from "../src/study/index.ts";
import { networkParameters } from "../src/training/index.ts";

const { values } = parseArgs({
  options: {
    sites: { type: "string", default: "29" },
    levels: { type: "string", default: "6" },
    base: { type: "string", default: "32" },
    flower: { type: "string" },
    nvflare: { type: "string" },
    python: { type: "string", default: "python3" },
    dir: { type: "string" },
    "few-at-a-time": { type: "string" },
    "fill-cache": { type: "string" },
    json: { type: "boolean", default: false },
  },
});

interface Figures {
  readonly seconds: number;
  readonly serverPeakBytes: number;
}

const root = fileURLToPath(new URL("..", import.meta.url));
const LAUNCHER = join(root, "bin", "consilium.mjs");
const SITE_PROCESSES = 4;
/** Of a whole run: a peer that hangs ends here. */
const LIMIT_MS = 30 * 60_000;
/** From an executor's first word to its first question for work. */
const EXECUTOR_READY_MS = 5000;
const sites = Number(values.sites);
const few = values["few-at-a-time"] === undefined ? undefined : Number(values["few-at-a-time"]);
const studyDocument = {
  schema: "consilium.study/1",
  name: "A round without training",
  network: { kind: "unet3d", levels: Number(values.levels), baseFeatures: Number(values.base) },
  training: { optimiser: { kind: "sgd", learningRate: 0.01 }, patch: [64, 64, 64], stepsPerRound: 1 },
  // The first round of two is not evaluated.
  rounds: { count: 2, evaluateEvery: 2 },
};
const parameters = networkParameters(networkOfStudy(parseStudy(studyDocument))).data.length;

const folder = mkdtempSync(join(values.dir ?? tmpdir(), "consilium-round-"));
const started: ChildProcess[] = [];
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => void cleanUp().finally(() => process.exit(1)));
}
try {
  const rows: Record<string, Figures> = {};
  const measure = async (name: string, run: () => Promise<Figures>): Promise<void> => {
    if (values["fill-cache"] !== undefined) await readThrough(values["fill-cache"]);
    rows[name] = await run();
    console.error(`${name}: ${rows[name].seconds.toFixed(1)} s`);
  };
  await measure("Consilium", ours);
  const { flower: flowerAt, nvflare: nvflareAt } = values;
  if (flowerAt !== undefined) await measure("Flower", () => flower(resolve(flowerAt)));
  if (nvflareAt !== undefined) await measure("NVFlare", () => nvflare(resolve(nvflareAt)));
  tell(rows);
} finally {
  await cleanUp();
}

async function readThrough(path: string): Promise<void> {
  for await (const _ of createReadStream(path, { highWaterMark: 4 << 20 }));
}

async function cleanUp(): Promise<void> {
  await endAll();
  rmSync(folder, { recursive: true, force: true });
}

async function ours(): Promise<Figures> {
  const home = join(folder, "coordinator");
  const study = join(folder, "study.json");
  writeFileSync(study, JSON.stringify(studyDocument));
  consilium("coordinator", "init", "--home", home, "--name", "Bench", "--listen", "127.0.0.1:0", "--unencrypted");
  const server = start(process.execPath, [LAUNCHER, "coordinator", "start", "--home", home]);
  const memory = watchMemory(server);
  await untilSaid(server, /listens on/);
  const names = Array.from({ length: sites }, (_, i) => `site-${String(i).padStart(2, "0")}`);
  for (const site of names) {
    consilium("coordinator", "invite", "--home", home, "--site", site, "--out", join(folder, `${site}.invitation`));
  }
  const groups = Array.from({ length: SITE_PROCESSES }, (_, g) => names.filter((_, i) => i % SITE_PROCESSES === g));
  const held = groups.filter((group) => group.length > 0).map((group) => siteProcess(group));
  await Promise.all(held.map((each) => untilSaid(each, /joined/)));
  consilium("study", "submit", "--home", home, study);
  // Asked over the coordinator's own socket: a command a second would take a fifth of a processor from the round.
  const client = adminClient(home);
  const rounds = async () => (await client.status()).study?.rounds ?? [];
  const begun = Date.now();
  while ((await rounds()).length === 0) {
    if (Date.now() - begun > LIMIT_MS) throw new Error("the round did not end");
    await sleep(1000);
  }
  const serverPeakBytes = memory.stop();
  const [{ seconds }] = await rounds();
  await endAll();
  return { seconds, serverPeakBytes };
}

function siteProcess(names: readonly string[]): ChildProcess {
  return start(process.execPath, ["--import", "tsx", join(root, "bench", "round", "sites.ts"), folder, ...names]);
}

function consilium(...args: readonly string[]): string {
  return execFileSync(process.execPath, [LAUNCHER, ...args], { encoding: "utf8", maxBuffer: 1 << 28 });
}

async function flower(installed: string): Promise<Figures> {
  const home = join(folder, "flower");
  mkdirSync(home);
  writeFileSync(
    join(home, "config.toml"),
    '[superlink]\ndefault = "local"\n\n[superlink.local]\naddress = "127.0.0.1:8000"\ninsecure = true\n',
  );
  const env = {
    ...process.env,
    FLWR_HOME: home,
    FLWR_TELEMETRY_ENABLED: "0",
    PYTHONPATH: installed,
    PATH: `${join(installed, "bin")}:${process.env.PATH}`,
  };
  const run = (name: string, ...args: readonly string[]): ChildProcess =>
    start(values.python, [join(installed, "bin", name), ...args], env);
  const server = run("flower-superlink", "--insecure", "--disable-runtime-dependency-installation");
  const memory = watchMemory(server);
  await untilSaid(server, /running on/i);
  const ports = Array.from({ length: sites }, (_, i) => String(9100 + i));
  const isolation = few === undefined ? "subprocess" : "process";
  const nodes = ports.map((port) =>
    run(
      "flower-supernode",
      "--insecure",
      ...["--superlink", "127.0.0.1:8000"],
      ...["--port", port, "--isolation", isolation],
    ),
  );
  await Promise.all(nodes.map((node) => untilSaid(node, /SuperNode ID/)));
  const executorOf = (port: string): ChildProcess =>
    run("flower-superexec", "--insecure", "--runtime-api-address", `127.0.0.1:${port}`);
  const turns = few === undefined ? undefined : await fewAtATime(ports.map(executorOf), few);
  const config = `parameters=${parameters} sites=${sites}`;
  const app = join(root, "bench", "round", "flower");
  const seconds = await untilSaid(
    run("flwr", "run", app, "local", "--stream", "--run-config", config),
    /ROUND TOOK ([\d.]+)/,
  );
  const serverPeakBytes = memory.stop();
  turns?.stop();
  await endAll();
  return { seconds: Number(seconds), serverPeakBytes };
}

/** Holds all executors but `few`; one whose ClientApp has ended gives its turn to the next. */
async function fewAtATime(executors: readonly ChildProcess[], few: number): Promise<{ stop(): void }> {
  const pids = executors.map(({ pid }) => pid ?? 0);
  await Promise.all(executors.map((each) => untilSaid(each, /Starting Flower SuperExec/)));
  await sleep(EXECUTOR_READY_MS);
  const waiting = pids.slice(few);
  for (const pid of waiting) process.kill(pid, "SIGSTOP");
  const running = new Set(pids.slice(0, few));
  const timer = setInterval(() => {
    for (const pid of running) {
      if (!hasEndedChild(pid)) continue;
      running.delete(pid);
      process.kill(pid, "SIGSTOP");
      const next = waiting.shift();
      if (next === undefined) continue;
      running.add(next);
      process.kill(next, "SIGCONT");
    }
  }, 20);
  return { stop: () => clearInterval(timer) };
}

/** An executor does not wait for its ClientApp: one that has ended stays as a zombie. */
function hasEndedChild(pid: number): boolean {
  return treeOf(pid).some((each) => each !== pid && /^State:\s+Z/m.test(statusOf(each)));
}

function statusOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/status`, "utf8");
  } catch {
    return "";
  }
}

async function nvflare(installed: string): Promise<Figures> {
  const workspace = join(folder, "nvflare");
  mkdirSync(workspace);
  const env = {
    ...process.env,
    NVFLARE_POC_WORKSPACE: workspace,
    PYTHONPATH: installed,
    PATH: `${join(installed, "bin")}:${process.env.PATH}`,
  };
  const script = join(root, "bench", "round", "nvflare_round.py");
  const fewArgument = few === undefined ? [] : [String(few)];
  const run = start(values.python, [script, workspace, String(sites), String(parameters), ...fewArgument], env);
  const serverPid = Number(await untilSaid(run, /SERVER (\d+)/));
  // The simulator's server starts the clients: they are not the server's memory.
  const memory = watchMemory({ pid: serverPid }, few === undefined ? treeOf : (pid) => [pid]);
  const round = untilSaid(run, /ROUND TOOK ([\d.]+)/).then((seconds) => ({
    seconds: Number(seconds),
    serverPeakBytes: memory.stop(),
  }));
  // Both are listened for from the start: the last words may come together.
  const [figures] = await Promise.all([round, untilSaid(run, /ENDED/)]);
  await endAll();
  return figures;
}

function start(command: string, args: readonly string[], env: NodeJS.ProcessEnv = process.env): ChildProcess {
  const child = spawn(command, args, { cwd: root, env, detached: true, stdio: ["ignore", "pipe", "pipe"] });
  started.push(child);
  return child;
}

/** Ends what was started, with everything that it started. */
async function endAll(): Promise<void> {
  for (const child of started.splice(0)) {
    try {
      process.kill(-(child.pid ?? 0), "SIGKILL");
    } catch {
      // It ended by itself.
    }
  }
  await sleep(2000);
}

/** @returns the pattern's group. @throws Error with what was said instead, where it never is */
function untilSaid(child: ChildProcess, pattern: RegExp): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    let said = "";
    const give = (): void =>
      reject(new Error(`${child.spawnargs.join(" ")}: no ${pattern}, but\n${said.slice(-3000)}`));
    const patience = setTimeout(give, LIMIT_MS);
    const hear = (data: Buffer): void => {
      said = (said + data.toString()).slice(-100_000);
      const found = pattern.exec(said);
      if (found === null) return;
      clearTimeout(patience);
      resolve(found[1]);
    };
    child.stdout?.on("data", hear);
    child.stderr?.on("data", hear);
    child.on("exit", () => {
      clearTimeout(patience);
      give();
    });
  });
}

function watchMemory(
  { pid }: { readonly pid?: number | undefined },
  processes: (pid: number) => number[] = treeOf,
): { stop(): number } {
  let peak = 0;
  const timer = setInterval(() => {
    peak = Math.max(
      peak,
      processes(pid ?? 0).reduce((sum, each) => sum + pssOf(each), 0),
    );
  }, 250);
  return {
    stop() {
      clearInterval(timer);
      return peak;
    },
  };
}

function treeOf(pid: number): number[] {
  const all = [pid];
  for (const each of all) {
    try {
      const children = readFileSync(`/proc/${each}/task/${each}/children`, "utf8");
      all.push(...children.split(" ").filter(Boolean).map(Number));
    } catch {
      // It ended meanwhile.
    }
  }
  return all;
}

function pssOf(pid: number): number {
  try {
    return 1024 * Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, "utf8"))?.[1] ?? 0);
  } catch {
    return 0;
  }
}

function tell(rows: Record<string, Figures>): void {
  if (values.json) {
    process.stdout.write(`${JSON.stringify({ sites, parameters, rows })}\n`);
    return;
  }
  process.stdout.write(`${sites} sites, ${parameters} weights\n`);
  for (const [name, { seconds, serverPeakBytes }] of Object.entries(rows)) {
    const peak = `${(serverPeakBytes / 1e6).toFixed(0)} MB`;
    process.stdout.write(`${name.padEnd(10)}${seconds.toFixed(1).padStart(8)} s${peak.padStart(12)}\n`);
  }
}
