/** `consilium simulate` with --secure-aggregation gives the model of the same command without it, bit for bit. */
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { simulate } from "../src/cli/commands/simulate.ts";
import { runCommandLine } from "../src/cli/run-command-line.ts";
import { writeCohort } from "../src/imaging/index.ts";

const STUDY = `schema: consilium.study/1
name: masked or not
task: {spacingMm: 4}
network: {kind: unet3d, levels: 2, baseFeatures: 4}
training: {optimiser: {kind: sgd, learningRate: 0.02}, patch: [16, 16, 16], stepsPerRound: 3}
rounds: {count: 2, evaluateEvery: 2}
`;

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "consilium-masked-"));
  await writeCohort({ dir: join(folder, "data"), cases: 9, seed: 3, spacingMm: 4 });
  await writeFile(join(folder, "study.yaml"), STUDY);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function simulated(name: string, ...more: readonly string[]) {
  const out: string[] = [];
  const err: string[] = [];
  const words = [
    "--data",
    join(folder, "data"),
    "--study",
    join(folder, "study.yaml"),
    "--sites",
    "3",
    "--workers",
    "1",
  ];
  const program = { version: "test", summary: "", commands: [simulate], groups: [] };
  const code = await runCommandLine(program, ["simulate", ...words, "--out", join(folder, name), "--json", ...more], {
    launcher: "",
    writeOut: (text) => out.push(text),
    err: { write: (text) => err.push(text), isTerminal: false, columns: 80 },
    debug: false,
    onInterrupt: () => () => undefined,
  });
  expect([code, err.join("")]).toEqual([0, expect.anything()]);
  return JSON.parse(out.join("")).federated.modelSha256 as string;
}

it("gives the same model with masks and without", async () => {
  const plain = await simulated("plain");
  expect(await simulated("masked", "--secure-aggregation")).toBe(plain);
  // The controls: the flag did mask, and another seed gives another model.
  const isMasked = async (name: string): Promise<boolean> => {
    const entries = await readdir(join(folder, name), { recursive: true, withFileTypes: true });
    const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
    const texts = await Promise.all(files.map((file) => readFile(file, "latin1")));
    return texts.some((text) => /"secureAggregation":\s*\{/.test(text));
  };
  expect([await isMasked("masked"), await isMasked("plain")]).toEqual([true, false]);
  expect(await simulated("other", "--seed", "99")).not.toBe(plain);
});
