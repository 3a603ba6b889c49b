/** The cross-site matrix by the product's own commands: a cell is what `evaluate` says of that model on those cases. */

import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, it } from "vitest";
import { stringify } from "yaml";
import { moveByUpdate } from "../src/aggregation/index.ts";
import { sha256 } from "../src/base/index.ts";
import { createCommands } from "../src/cli/demo/processes.ts";
import { type MatrixStatus, openCoordinator, roundsOf } from "../src/coordinator/index.ts";
import { parametersFromSafetensors, parametersToSafetensors } from "../src/graph/index.ts";
import { writeCohort } from "../src/imaging/index.ts";
import { casesOf, readRegisteredData, readSite } from "../src/site/index.ts";

const LAUNCHER = fileURLToPath(new URL("../bin/consilium.mjs", import.meta.url));
/** Of the whole image: `segment` and evaluations lay their windows with other overlaps. */
const PATCH = [40, 40, 24];
const STUDY = {
  schema: "consilium.study/1",
  name: "cross-site",
  task: { spacingMm: 6 },
  network: { kind: "unet3d", levels: 2, baseFeatures: 4 },
  training: { optimiser: { kind: "adam", learningRate: 0.01 }, patch: PATCH, stepsPerRound: 10, seed: 5 },
  rounds: { count: 2, crossSite: "last" },
  retain: "all",
};

let folder = "";
const at = (...names: string[]): string => join(folder, ...names);
const commands = createCommands(LAUNCHER, new AbortController().signal);
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "consilium-cross-site-"));
  await writeCohort({ dir: at("data"), cases: 18, seed: 3, firstCase: 0, firstSite: 0, spacingMm: 6 });
  await writeFile(at("study.yaml"), stringify(STUDY));
}, 120_000);
afterAll(async () => {
  await commands.stopAll();
  await rm(folder, { recursive: true, force: true });
});

interface Simulated {
  readonly result: { readonly matrices: readonly MatrixStatus[] };
}

it("is in the result and the report of a simulation, and each cell is what `consilium evaluate` says", {
  timeout: 600_000,
}, async () => {
  const words = ["simulate", "--data", at("data"), "--study", at("study.yaml"), "--sites", "3", "--out", at("run")];
  await commands.run(...words);
  const result = JSON.parse(await readFile(at("run/result.json"), "utf8")) as Simulated["result"];
  const [matrix, ...more] = result.matrices;
  expect([more, matrix.round, matrix.missing]).toEqual([[], 2, []]);
  expect(await readFile(at("run/report.html"), "utf8")).toContain('<table class="matrix">');
  const coordinator = await openCoordinator({ home: at("run/coordinator"), dormant: true });
  const round = roundsOf(coordinator.state().study)[1];
  const global = parametersFromSafetensors(
    await readFile(coordinator.objectPath(round?.global.sha256 ?? "")),
    "global",
  );
  const updates = await Promise.all(
    Object.entries(round?.updates ?? {}).map(async ([siteId, { sha256 }]) => {
      return [siteId, await readFile(coordinator.objectPath(sha256))] as const;
    }),
  );
  await coordinator.close();
  // A model that finds nothing anywhere would agree with anything.
  const means = matrix.rows.flatMap(({ cells }) => cells.flatMap((cell) => cell?.mean ?? []));
  expect(new Set(means).size).toBeGreaterThan(6);
  let compared = 0;
  for (const [of, update] of updates) {
    await writeOwnModel(of, parametersToSafetensors(moveByUpdate(global, update, 28)));
    for (const [s, by] of matrix.sites.entries()) {
      const cell = matrix.rows.find((row) => row.of === of)?.cells[s] ?? null;
      const told = await scoredByCommands(at("own", of), by);
      expect(cell?.cases ?? 0).toBe(told.length);
      for (const [region, { dice }] of Object.entries(cell?.regions ?? {})) {
        const defined = told.flatMap((regions) => regions[region].dice ?? []);
        const mean = defined.length === 0 ? null : defined.reduce((sum, each) => sum + each, 0) / defined.length;
        if (mean === null) expect(dice).toBeNull();
        else expect(dice).toBeCloseTo(mean, 12);
        compared++;
      }
    }
  }
  expect(compared).toBeGreaterThanOrEqual(3 * 3 * 2);
});

/** The model that the run ended with, as a folder with other weights, which nobody signed. */
async function writeOwnModel(of: string, weights: Uint8Array): Promise<void> {
  const dir = at("own", of);
  await cp(at("run/model"), dir, { recursive: true });
  await rm(join(dir, "signature.json"));
  const before = sha256(await readFile(join(dir, "weights.safetensors")));
  await writeFile(join(dir, "weights.safetensors"), weights);
  const document = JSON.parse(await readFile(join(dir, "model.json"), "utf8")) as object;
  const unsigned = JSON.stringify({ ...document, federationId: null }).replaceAll(before, sha256(weights));
  await writeFile(join(dir, "model.json"), unsigned);
}

type Regions = Readonly<Record<string, { readonly dice: number | null }>>;

/** `segment` and `evaluate`, on each of a site's validation cases. */
async function scoredByCommands(model: string, siteId: string): Promise<readonly Regions[]> {
  const { store } = await readSite(at("run/sites", siteId));
  const { cases = [], split = {} } = (await readRegisteredData(store)) ?? {};
  const scored: Regions[] = [];
  for (const { id, folder: source, labelMap } of casesOf(cases, split, "validation")) {
    const drawn = at(`${id}-drawn.nii.gz`);
    await commands.run("segment", "--model", model, "--case", source, "--out", drawn);
    const told = await commands.run("evaluate", "--prediction", drawn, "--reference", labelMap ?? "");
    scored.push((told as { readonly regions: Regions }).regions);
  }
  return scored;
}
