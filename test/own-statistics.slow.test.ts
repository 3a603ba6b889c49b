/** Running statistics that stay at the sites, by the product's own commands: what each model says of its own, and has. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, it } from "vitest";
import { stringify } from "yaml";
import { createCommands } from "../src/cli/demo/processes.ts";
import { openCoordinator } from "../src/coordinator/index.ts";
import { type Parameters, parametersFromSafetensors, parameterView } from "../src/graph/index.ts";
import { writeCohort } from "../src/imaging/index.ts";
import { memoryLink } from "../src/protocol/index.ts";
import { normedModel } from "../src/simulate/testing/normed-model.ts";
import { openSite, runSite } from "../src/site/index.ts";

const LAUNCHER = fileURLToPath(new URL("../bin/consilium.mjs", import.meta.url));
const STATISTICS = ["mean", "variance"];
const study = (runningStatistics: string): string =>
  stringify({
    schema: "consilium.study/1",
    name: "own statistics",
    task: { spacingMm: 6 },
    network: { kind: "onnx", file: "normed.onnx" },
    training: {
      optimiser: { kind: "sgd", learningRate: 0.02 },
      patch: [8, 8, 8],
      stepsPerRound: 3,
      seed: 5,
      runningStatistics,
    },
    rounds: { count: 2 },
  });

let folder = "";
const at = (name: string): string => join(folder, name);
const commands = createCommands(LAUNCHER, new AbortController().signal);
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "consilium-own-statistics-"));
  await writeCohort({ dir: at("data"), cases: 6, seed: 3, firstCase: 0, firstSite: 0, spacingMm: 6 });
  await writeFile(at("normed.onnx"), normedModel());
  for (const mode of ["local", "averaged"]) await writeFile(at(`${mode}.yaml`), study(mode));
}, 120_000);
afterAll(async () => {
  await commands.stopAll();
  await rm(folder, { recursive: true, force: true });
});

async function weightsOf(dir: string): Promise<Parameters> {
  return parametersFromSafetensors(await readFile(at(join(dir, "weights.safetensors"))), dir);
}

function pick({ layout, data }: Parameters, which: "statistics" | "the rest"): Record<string, number[]> {
  const wanted = layout.entries.filter(({ name }) => STATISTICS.includes(name) === (which === "statistics"));
  return Object.fromEntries(wanted.map((entry) => [entry.name, [...parameterView({ layout, data }, entry)]]));
}

/** Sites of a simulation stop with it; asked once more, the coordinator tells them that the study is done. */
async function tellSitesTheEnd(ids: readonly string[]): Promise<void> {
  const coordinator = await openCoordinator({ home: at("run/coordinator") });
  for (const id of ids) {
    const site = await openSite(at(`run/sites/${id}`));
    const link = memoryLink(coordinator.service, { siteId: site.siteId, keySha256: site.keySha256 });
    const openWork = (): Promise<never> => Promise.reject(new Error("no work is left"));
    expect(await runSite({ site, link, productVersion: "test", openWork })).toMatchObject({ kind: "done" });
    await site.close();
  }
  await coordinator.close();
}

it("are a site's own in its model, those of the start in the coordinator's, and learned by whoever goes on from it", {
  timeout: 300_000,
}, async () => {
  const run = async (...words: string[]): Promise<{ readonly normStatistics?: string | null }> =>
    (await commands.run(...words)) as { readonly normStatistics?: string | null };
  await run("simulate", "--data", at("data"), "--study", at("local.yaml"), "--sites", "2", "--out", at("run"));
  await tellSitesTheEnd(["site-01", "site-02"]);
  const [site1, site2] = ["site-01", "site-02"].map((id) => at(`run/sites/${id}`));
  const exported = await run("model", "export", "--home", at("run/coordinator"), "--out", at("global"));
  expect(exported.normStatistics).toMatch(/^the running means and variances that the study began with/);
  const own = await run("model", "export", "--home", site1, "--out", at("first"));
  expect(own.normStatistics).toMatch(/^one site's own running means and variances/);
  await run("model", "export", "--home", site2, "--out", at("second"));
  const [global, first, second] = await Promise.all(["global", "first", "second"].map(weightsOf));
  expect(pick(global, "statistics")).toEqual({ mean: [0, 0, 0], variance: [1, 1, 1] });
  expect(pick(first, "statistics")).not.toEqual(pick(global, "statistics"));
  expect(pick(first, "statistics")).not.toEqual(pick(second, "statistics"));
  for (const model of [first, second]) expect(pick(model, "the rest")).toEqual(pick(global, "the rest"));
  for (const [dir, words] of [
    ["global", "that the study began with"],
    ["run/model", "that the study began with"],
    ["first", "one site's own"],
  ] as const) {
    expect(await readFile(at(join(dir, "card.md")), "utf8")).toContain(words);
  }

  // a hospital that goes on from the model learns statistics of its own
  await run("train", "--data", at("data"), "--from", at("global"), "--rounds", "1", "--out", at("further"));
  expect(pick(await weightsOf("further/model"), "statistics")).not.toEqual(pick(global, "statistics"));
});

it("are to one institution alone what averaged ones are: the same bits", { timeout: 120_000 }, async () => {
  const bits: unknown[] = [];
  for (const mode of ["local", "averaged"]) {
    const words = ["train", "--data", at("data"), "--study", at(`${mode}.yaml`), "--out", at(`alone-${mode}`)];
    bits.push(((await commands.run(...words)) as { readonly modelSha256: string }).modelSha256);
    expect(await readFile(at(`alone-${mode}/model/card.md`), "utf8")).not.toContain("norms use");
  }
  expect(bits[0]).toBe(bits[1]);
  const start = { mean: [0, 0, 0], variance: [1, 1, 1] };
  expect(pick(await weightsOf("alone-local/model"), "statistics")).not.toEqual(start);
});
