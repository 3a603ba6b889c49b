/**
 * The whole table of the engine's speed and memory beside PyTorch, in one command:
 *
 *   npm run bench -- side-by-side --python PYTHON [--runs 10] [--threads 2] [--only unet16,unet32,segres16,window16,start] [--json]
 *
 * PYTHON is an interpreter with a current PyTorch and NumPy (`pip install --target DIR torch numpy`, PYTHONPATH=DIR).
 * For each piece of work both sides run as processes of their own and take turns, one step (or one window of the
 * volume) each, so that whatever else the machine does meets both. Same network, weights and batch: the values of the
 * first turn must agree. PyTorch runs in both of its memory layouts; the better one counts. Medians of wall
 * time, of the time that all threads together spent on processors, and the peak of resident memory of each process.
 * The last row is the whole command `consilium train` with one patch of one phantom case, from study file to model.
 */
import { type ChildProcessWithoutNullStreams, execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { VOLUME, WORKS, type Work } from "./side-by-side/works.ts";

const { values } = parseArgs({
  options: {
    python: { type: "string" },
    runs: { type: "string", default: "10" },
    threads: { type: "string", default: "2" },
    only: { type: "string" },
    json: { type: "boolean", default: false },
  },
});
const [runs, threads] = [Number(values.runs), Number(values.threads)];
const root = fileURLToPath(new URL("..", import.meta.url));
const WARM_TURNS = 2;
const OVERLAP = 0.5;
const AGREEMENT = 1e-3;
const LAYOUTS = ["contiguous", "channels_last_3d"] as const;

interface Turn {
  readonly ms: number;
  readonly processorMs: number;
  /** Loss, or the first logit of a window. */
  readonly value: number;
  readonly peakRssMb: number;
}

interface Side {
  turn(): Promise<Turn>;
  checksum(): Promise<number>;
  /** Sends no more turns; resolves when the process is gone. */
  end(): Promise<void>;
}

interface Figures {
  readonly medianMs: number;
  readonly processorMs: number;
  readonly peakRssMb: number;
  /** All windows of the volume. */
  readonly totalMs?: number;
}

interface Row {
  readonly name: string;
  readonly title: string;
  readonly turns: number;
  readonly consilium: Figures;
  readonly pytorch?: Figures & { readonly layout: string };
  readonly ratio?: number;
  readonly processorRatio?: number;
}

async function openSide(command: string, args: readonly string[]): Promise<Side> {
  const child: ChildProcessWithoutNullStreams = spawn(command, args, { cwd: root });
  child.stderr.pipe(process.stderr);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const gone = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const next = async (): Promise<string> => {
    const { value, done } = await lines.next();
    if (done) throw new Error(`${command} ended before its work was done`);
    return value;
  };
  while ((await next()) !== "ready");
  return {
    async turn() {
      child.stdin.write("go\n");
      return JSON.parse(await next()) as Turn;
    },
    checksum: async () => (JSON.parse(await next()) as { checksum: number }).checksum,
    async end() {
      child.stdin.end();
      await gone;
    },
  };
}

function ours({ name }: Work, folder: string): Promise<Side> {
  const args = ["--import", "tsx", "bench/side-by-side/worker.ts", name, String(threads), folder];
  return openSide(process.execPath, args);
}

function theirs(
  { network, base, levels, side, kind }: Work,
  python: string,
  folder: string,
  layout: string,
): Promise<Side> {
  const given = { network, base, levels, side, kind, threads, layout, folder };
  const options = Object.entries(given).flatMap(([key, value]) => [`--${key}`, String(value)]);
  return openSide(python, ["bench/pytorch/worker.py", ...options]);
}

/** Both of PyTorch's layouts take their turns to the end; the one with the lower median counts. */
async function compare(work: Work, python: string | undefined): Promise<Row> {
  const folder = mkdtempSync(join(tmpdir(), "consilium-bench-"));
  try {
    const us = { side: await ours(work, folder), turns: [] as Turn[] };
    const them = [];
    for (const layout of python === undefined ? [] : LAYOUTS) {
      them.push({ layout, side: await theirs(work, python ?? "", folder, layout), turns: [] as Turn[] });
    }
    const turns = work.kind === "step" ? runs + WARM_TURNS : windowsOf(work);
    for (let i = 0; i < turns; i++) {
      for (const { side, turns: taken } of [us, ...them]) taken.push(await side.turn());
    }
    for (const { turns: taken } of them) agree(work, us.turns[0].value, taken[0].value);
    if (work.kind === "window") {
      const ourSum = await us.side.checksum();
      for (const { side } of them) agree(work, ourSum, await side.checksum());
    }
    for (const { side } of [us, ...them]) await side.end();
    const consilium = figuresOf(work, us.turns);
    const row = { name: work.name, title: work.title, turns: turns - WARM_TURNS, consilium };
    const [pytorch] = them
      .map(({ layout, turns: taken }) => ({ ...figuresOf(work, taken), layout }))
      .sort((a, b) => a.medianMs - b.medianMs);
    return pytorch === undefined ? row : { ...row, pytorch, ...ratios(consilium, pytorch) };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function figuresOf({ kind }: Work, turns: readonly Turn[]): Figures {
  const warm = turns.slice(WARM_TURNS);
  return {
    medianMs: median(warm.map(({ ms }) => ms)),
    processorMs: median(warm.map(({ processorMs }) => processorMs)),
    peakRssMb: Math.max(...turns.map(({ peakRssMb }) => peakRssMb)),
    ...(kind === "window" && { totalMs: turns.reduce((sum, { ms }) => sum + ms, 0) }),
  };
}

function ratios(a: Figures, b: Figures): { ratio: number; processorRatio: number } {
  return { ratio: a.medianMs / b.medianMs, processorRatio: a.processorMs / b.processorMs };
}

/** Otherwise the two sides did not do the same work, and their times say nothing. */
function agree({ name }: Work, our: number, their: number): void {
  if (Math.abs(our - their) <= AGREEMENT * Math.max(1, Math.abs(their))) return;
  throw new Error(`${name}: ${our} on our side, ${their} on PyTorch's: not the same work`);
}

function windowsOf({ side }: Work): number {
  const step = Math.floor(side * (1 - OVERLAP));
  return VOLUME.map((size) => Math.ceil((size - side) / step) + 1).reduce((product, count) => product * count, 1);
}

const STUDY = `schema: consilium.study/1
name: First step
task: { spacingMm: 1 }
network: { kind: unet3d, levels: 4, baseFeatures: 16 }
training:
  optimiser: { kind: sgd, learningRate: 0.01 }
  patch: [64, 64, 64]
  stepsPerRound: 1
  threads: ${threads}
rounds: { count: 1 }
`;

/**
 * From the start of Node to the first finished step, which is when the model's folder is begun, and to the end of the
 * command: study, network, the case from its files, one step, the model.
 */
async function start(): Promise<Row[]> {
  const folder = mkdtempSync(join(tmpdir(), "consilium-start-"));
  try {
    const consilium = (...args: readonly string[]): readonly string[] => [
      join(root, "bin", "consilium.mjs"),
      ...args,
      "--quiet",
    ];
    writeFileSync(join(folder, "study.yaml"), STUDY);
    mkdirSync(join(folder, "runs"));
    execFileSync(process.execPath, consilium("cohort", "make", "--cases", "1", "--spacing", "1", "--out", "data"), {
      cwd: folder,
    });
    const turns: { readonly stepMs: number; readonly allMs: number }[] = [];
    for (let i = 0; i <= runs; i++) {
      const args = consilium("train", "--data", "data", "--study", "study.yaml", "--out", join("runs", String(i)));
      turns.push(await timeTrain(args, folder, join(folder, "runs", String(i), "model")));
    }
    const row = (name: string, title: string, of: (turn: (typeof turns)[number]) => number): Row => {
      const consilium = { medianMs: median(turns.slice(1).map(of)), processorMs: Number.NaN, peakRssMb: Number.NaN };
      return { name, title: `${title}, base 16, 64^3`, turns: runs, consilium };
    };
    return [
      row("start", "from the study file to the first finished step", ({ stepMs }) => stepMs),
      row("command", "the same command to its end, with the model written", ({ allMs }) => allMs),
    ];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Looks every 5 ms whether the model's folder is there. */
function timeTrain(
  args: readonly string[],
  cwd: string,
  model: string,
): Promise<{ readonly stepMs: number; readonly allMs: number }> {
  return new Promise((resolve, reject) => {
    const began = performance.now();
    let stepMs = Number.NaN;
    const child = spawn(process.execPath, args, { cwd, stdio: "ignore" });
    const looking = setInterval(() => {
      if (existsSync(model)) stepMs = performance.now() - began;
      if (!Number.isNaN(stepMs)) clearInterval(looking);
    }, 5);
    child.on("error", reject);
    child.on("exit", (code) => {
      clearInterval(looking);
      if (code === 0) resolve({ stepMs, allMs: performance.now() - began });
      else reject(new Error(`consilium train ended with ${code}`));
    });
  });
}

function median(list: readonly number[]): number {
  const sorted = list.toSorted((a, b) => a - b);
  return (sorted[Math.floor((sorted.length - 1) / 2)] + sorted[Math.floor(sorted.length / 2)]) / 2;
}

function table(rows: readonly Row[]): string {
  const head =
    "| work | ours | PyTorch | ratio | of processors | memory, ours / PyTorch |\n| --- | --- | --- | --- | --- | --- |";
  const ms = (figures: Figures | undefined): string => {
    if (figures === undefined) return "";
    const total = figures.totalMs === undefined ? "" : ` a window, ${(figures.totalMs / 1000).toFixed(1)} s in all`;
    return `${figures.medianMs.toFixed(0)} ms${total}`;
  };
  const figure = (value: number | undefined): string => (value === undefined ? "" : value.toFixed(2));
  const mb = (value: number | undefined): string =>
    value === undefined || Number.isNaN(value) ? "" : `${value.toFixed(0)} MB`;
  const lines = rows.map(({ title, consilium, pytorch, ratio, processorRatio }) => {
    const layout = pytorch === undefined ? "" : ` (${pytorch.layout})`;
    const memory = [mb(consilium.peakRssMb), mb(pytorch?.peakRssMb)].filter((text) => text !== "").join(" / ");
    return `| ${title} | ${ms(consilium)} | ${ms(pytorch)}${layout} | ${figure(ratio)} | ${figure(processorRatio)} | ${memory} |`;
  });
  return [head, ...lines].join("\n");
}

const chosen = values.only?.split(",") ?? [...WORKS.map(({ name }) => name), "start"];
const rows: Row[] = [];
for (const name of chosen) {
  const work = WORKS.find((each) => each.name === name);
  if (work === undefined && name !== "start")
    throw new Error(`no work ${name}: ${WORKS.map((each) => each.name).join(", ")}, start`);
  process.stderr.write(`${name} ...\n`);
  rows.push(...(work === undefined ? await start() : [await compare(work, values.python)]));
}
const versions = values.python === undefined ? "" : pytorchVersion(values.python);
if (values.json) process.stdout.write(`${JSON.stringify({ threads, versions, rows })}\n`);
else process.stdout.write(`${threads} threads, medians${versions}\n\n${table(rows)}\n`);

function pytorchVersion(python: string): string {
  const code = "import torch; print(torch.__version__)";
  return `, PyTorch ${execFileSync(python, ["-c", code], { encoding: "utf8" }).trim()}`;
}
