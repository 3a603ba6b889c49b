/** A table of lowerings by the product's own commands: measured, taken by `train`, told by its run record. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, it } from "vitest";
import { stringify } from "yaml";
import { createCommands } from "../src/cli/demo/processes.ts";
import { writeCohort } from "../src/imaging/index.ts";
import { loweringsDigest, parseLoweringTable, SHIPPED_LOWERINGS } from "../src/training/index.ts";

const LAUNCHER = fileURLToPath(new URL("../bin/consilium.mjs", import.meta.url));
const STUDY = {
  schema: "consilium.study/1",
  name: "lowerings",
  task: { spacingMm: 6 },
  network: { kind: "unet3d", levels: 2, baseFeatures: 4 },
  training: { optimiser: { kind: "sgd", learningRate: 0.02 }, patch: [16, 16, 16], stepsPerRound: 4, seed: 5 },
  rounds: { count: 1 },
};
const SLOW = {
  ...SHIPPED_LOWERINGS,
  inputGradient: { shapes: {}, otherwise: [{ use: "transposedConvolution" }] },
  weightGradient: { shapes: {}, otherwise: [{ use: "columns" }] },
};

let folder = "";
const commands = createCommands(LAUNCHER, new AbortController().signal);
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "consilium-lowerings-"));
  await writeCohort({ dir: join(folder, "data"), cases: 2, seed: 3, firstCase: 0, firstSite: 0, spacingMm: 6 });
  await writeFile(join(folder, "study.yaml"), stringify(STUDY));
  await writeFile(join(folder, "slow.json"), JSON.stringify(SLOW));
  await writeFile(join(folder, "none.json"), JSON.stringify({ ...SLOW, speed: 1 }));
}, 120_000);
afterAll(async () => {
  await commands.stopAll();
  await rm(folder, { recursive: true, force: true });
});

interface Trained {
  readonly modelSha256: string;
  readonly runRecord: { readonly lowerings: string };
}

async function train(out: string, ...options: readonly string[]): Promise<Trained> {
  const at = (name: string): string => join(folder, name);
  const told = await commands.run(
    "train",
    "--data",
    at("data"),
    "--study",
    at("study.yaml"),
    "--out",
    at(out),
    ...options,
  );
  const trained = told as unknown as Trained;
  expect(JSON.parse(await readFile(join(folder, out, "run-record.json"), "utf8"))).toEqual(trained.runRecord);
  return trained;
}

it("is measured for a study, taken by train, and named in the run record", async () => {
  const tuned = join(folder, "tuned.json");
  const told = await commands.run(
    "model",
    "tune",
    "--study",
    join(folder, "study.yaml"),
    "--runs",
    "1",
    "--out",
    tuned,
  );
  const { digest } = told as { digest: string };
  expect(loweringsDigest(parseLoweringTable(JSON.parse(await readFile(tuned, "utf8")), "tuned"))).toBe(digest);
  const [plain, again, own, slow] = [
    await train("plain"),
    await train("again"),
    await train("own", "--lowerings", tuned),
    await train("slow", "--lowerings", join(folder, "slow.json")),
  ];
  expect(plain.runRecord.lowerings).toBe(loweringsDigest(SHIPPED_LOWERINGS));
  expect(own.runRecord.lowerings).toBe(digest);
  expect(slow.runRecord.lowerings).toBe(loweringsDigest(parseLoweringTable(SLOW, "slow")));
  // equal records, equal bits; what is written otherwise rounds otherwise
  expect(again).toMatchObject({ modelSha256: plain.modelSha256, runRecord: plain.runRecord });
  expect(slow.modelSha256).not.toBe(plain.modelSha256);
}, 300_000);

it("is refused where it is none", async () => {
  await expect(train("refused", "--lowerings", join(folder, "none.json"))).rejects.toMatchObject({
    code: "lowerings-invalid",
  });
}, 60_000);
