/**
 * `consilium/graph`, `consilium/training` and `consilium/runtime` as a stranger has them: the packed tarball, installed
 * into an empty folder, runs the worked example, and its declarations hold under a strict compiler.
 */
import { execFileSync, spawnSync } from "node:child_process";
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, it } from "vitest";
import { decodeOnnx, encodeOnnx } from "../src/graph/index.ts";
import { unet3d } from "../src/networks/index.ts";
import { networkParameters } from "../src/training/index.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const npm = process.platform === "win32" ? "npm.cmd" : "npm";
const folder = mkdtempSync(join(tmpdir(), "consilium-faces-"));

beforeAll(() => {
  const packed = execFileSync(npm, ["pack", "--json", "--loglevel=error", "--pack-destination", folder], {
    cwd: root,
    encoding: "utf8",
  });
  const [{ filename }] = JSON.parse(packed.slice(packed.indexOf("[\n")));
  install(filename);
  copyFileSync(
    join(folder, "node_modules", "consilium", "docs", "examples", "fine-tune.mjs"),
    join(folder, "fine-tune.mjs"),
  );
  const network = unet3d({
    inputChannels: 1,
    classes: 2,
    baseFeatures: 4,
    levels: 2,
    maxFeatures: 8,
    stem: 1,
    detail: false,
    mirror: false,
    seed: 3,
  });
  writeFileSync(join(folder, "network.onnx"), encodeOnnx(network));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/**
 * By npm, with the versions of the checkout's lock file out of npm's own cache, so that no registry is needed; where
 * the cache does not hold them all, the tarball's own files beside the checkout's packages.
 */
function install(filename: string): void {
  const { version, dependencies, bin } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const { packages, ...lock } = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8"));
  const used = Object.entries(packages as Record<string, { dev?: boolean }>).filter(
    ([at, { dev }]) => at !== "" && !dev,
  );
  const own = { name: "stranger", dependencies: { consilium: `file:${filename}` } };
  const consilium = { version, resolved: `file:${filename}`, dependencies, bin };
  const locked = {
    ...lock,
    name: "stranger",
    packages: { "": own, "node_modules/consilium": consilium, ...Object.fromEntries(used) },
  };
  writeFileSync(join(folder, "package.json"), JSON.stringify({ ...own, private: true, type: "module" }));
  writeFileSync(join(folder, "package-lock.json"), JSON.stringify(locked));
  const { status, stderr } = spawnSync(npm, ["ci", "--offline", "--no-audit", "--no-fund", "--loglevel=error"], {
    cwd: folder,
    env: { ...process.env, ONNXRUNTIME_NODE_INSTALL: "skip" },
    encoding: "utf8",
  });
  if (status === 0) return;
  if (!stderr.includes("ENOTCACHED")) throw new Error(stderr);
  process.stderr.write("npm's cache does not hold every package: the example runs with those of the checkout.\n");
  const modules = join(folder, "node_modules");
  rmSync(modules, { recursive: true, force: true });
  mkdirSync(modules);
  execFileSync("tar", ["-xzf", filename], { cwd: folder });
  renameSync(join(folder, "package"), join(modules, "consilium"));
  for (const name of readdirSync(join(root, "node_modules"))) {
    if (!name.startsWith(".")) symlinkSync(join(root, "node_modules", name), join(modules, name), "junction");
  }
}

it("runs the worked example, which learns and saves what it learned", () => {
  const output = execFileSync(process.execPath, ["fine-tune.mjs", "network.onnx", "tuned.onnx"], {
    cwd: folder,
    encoding: "utf8",
  });
  const losses = [...output.matchAll(/loss ([\d.]+)/g)].map(([, loss]) => Number(loss));
  expect(losses).toHaveLength(7);
  expect(losses.at(-1)).toBeLessThan(0.3 * losses[0]);
  const [, right] = /([\d.]+) % of a new case's voxels/.exec(output) ?? [];
  expect(Number(right)).toBeGreaterThan(95);
  const [before, after] = ["network.onnx", "tuned.onnx"].map((file) =>
    networkParameters(decodeOnnx(readFileSync(join(folder, file)), file)),
  );
  expect(after.layout).toEqual(before.layout);
  expect(after.data).not.toEqual(before.data);
});

it("declares its types to a strict compiler, and shows nothing but its faces", () => {
  const good = `
import { ConsiliumError, type Graph, decodeOnnx } from "consilium/graph";
import { type Batch, openTrainingSession, type TrainingSession } from "consilium/runtime";
import { buildTrainingStep, networkParameters, type OptimiserSpec } from "consilium/training";
const optimiser: OptimiserSpec = { kind: "sgd", learningRate: 0.1, momentum: 0.9, nesterov: true, weightDecay: 0 };
export async function open(bytes: Uint8Array, batch: Batch): Promise<number> {
  const network: Graph = decodeOnnx(bytes, "network");
  const length: number = buildTrainingStep(network, { inputShape: [1, 1, 8, 8, 8], optimiser }).stateLength;
  const session: TrainingSession = await openTrainingSession(network, { inputShape: [1, 1, 8, 8, 8], optimiser, threads: 1 });
  session.load(networkParameters(network).data, null, length);
  try { return (await session.step(batch, 0.1)).loss; }
  catch (error) { if (error instanceof ConsiliumError && error.code === "training-diverged") return Number.NaN; throw error; }
}
`;
  expect(compile(good)).toBe("");
  expect(compile(good.replace('"sgd"', '"sdg"'))).toContain('"sdg"');
  expect(compile('import "consilium/simulate";')).toContain("consilium/simulate");
  const { stderr } = spawnSync(process.execPath, ["-e", 'import("consilium/dist/package/cli/main.js")'], {
    cwd: folder,
    encoding: "utf8",
  });
  expect(stderr).toContain("ERR_PACKAGE_PATH_NOT_EXPORTED");
});

/**
 * What the compiler says against a module of the stranger's and against the package's declarations; "" where it is
 * content. Node's own declarations are let pass: those of Node 20 do not hold by themselves under TypeScript 6.
 */
function compile(source: string): string {
  writeFileSync(join(folder, "stranger.mts"), source);
  const compiler = join(root, "node_modules", "typescript", "bin", "tsc");
  const strict = ["--strict", "--noEmit", "--module", "nodenext", "--target", "es2022", "--skipLibCheck", "false"];
  const types = [
    "--types",
    "node",
    "--typeRoots",
    join(root, "node_modules", "@types"),
    "--exactOptionalPropertyTypes",
  ];
  const { stdout } = spawnSync(process.execPath, [compiler, ...strict, ...types, "stranger.mts"], {
    cwd: folder,
    encoding: "utf8",
  });
  return stdout
    .split(/\n(?! )/)
    .filter((message) => !message.includes("@types/node/"))
    .join("\n")
    .trim();
}
