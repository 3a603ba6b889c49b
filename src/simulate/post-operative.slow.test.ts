/**
 * Cases after an operation: label 4 is a cavity where `brats2024` is declared, and nothing is learnt or measured of it as
 * enhancing tumour. The same cases without the cavity, written as BraTS 2023 does, give the same bits.
 */
import { cp, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type LabelConvention, readNifti, writeCohort, writeNifti } from "../imaging/index.ts";
import { networkOfStudy } from "../networks/index.ts";
import { parseStudy } from "../study/index.ts";
import { networkParameters } from "../training/index.ts";
import { runSimulation } from "./index.ts";

const CAVITY_VOXELS = 40;

const study = parseStudy({
  schema: "consilium.study/1",
  name: "post-operative",
  task: { spacingMm: 4 },
  network: { kind: "unet3d", levels: 2, baseFeatures: 4 },
  training: { optimiser: { kind: "sgd", learningRate: 0.02 }, patch: [16, 16, 16], stepsPerRound: 5 },
  rounds: { count: 1 },
});

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "consilium-post-operative-"));
  await writeCohort({ dir: join(folder, "made"), cases: 7, seed: 3, spacingMm: 4 });
  for (const name of ["operated", "without"]) await cp(join(folder, "made"), join(folder, name), { recursive: true });
  for (const id of await casesOf("made")) {
    const { volume } = await readNifti(labelMapOf("made", id));
    const asWritten = Uint8Array.from(volume.data, (label) => (label === 4 ? 3 : label));
    await writeNifti(labelMapOf("without", id), { ...volume, data: asWritten });
    const operated = withCavity(asWritten);
    await writeNifti(labelMapOf("operated", id), { ...volume, data: operated });
  }
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const labelMapOf = (dataset: string, id: string): string => join(folder, dataset, id, `${id}_seg.nii.gz`);

async function casesOf(dataset: string): Promise<string[]> {
  const entries = await readdir(join(folder, dataset), { withFileTypes: true });
  return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
}

/** Background voxels beside the tumour become the cavity. */
function withCavity(labels: Uint8Array): Uint8Array {
  const operated = Uint8Array.from(labels);
  let left = CAVITY_VOXELS;
  for (let i = 1; i < labels.length && left > 0; i++) {
    if (labels[i] !== 0 || labels[i - 1] === 0) continue;
    operated[i] = 4;
    left--;
  }
  expect(left).toBe(0);
  return operated;
}

async function modelOf(dataset: string, labels: LabelConvention | undefined) {
  const [held] = await casesOf(dataset);
  const network = networkOfStudy(study);
  const data = {
    ...({ kind: "dealt", dataset: join(folder, dataset), sites: 2, sizes: "even", holdOut: [held] } as const),
    ...(labels && { labels }),
  };
  const out = join(folder, `run-${dataset}-${labels}`);
  const options = { study, network, initial: networkParameters(network), data, out, baselines: false };
  const { result } = await runSimulation({ ...options, workers: 2, command: "test" }, () => undefined);
  return result.federated;
}

it("learns from post-operative cases what it learns from them without their cavity", async () => {
  const operated = await modelOf("operated", "brats2024");
  const without = await modelOf("without", "brats2023");
  expect(operated.modelSha256).toBe(without.modelSha256);
  expect(operated.dice).toEqual(without.dice);
});

it.each([["brats2021"], ["brats2023"], [undefined]] as const)("declared as %s they are refused", async (labels) => {
  await expect(modelOf("operated", labels)).rejects.toMatchObject({
    code: "dataset-invalid",
    message: expect.stringMatching(/label/),
  });
});
