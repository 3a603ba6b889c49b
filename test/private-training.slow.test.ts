/** Patient-level privacy through a whole federation on the real engine, with masked sums: paid for at every site. */
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { writeCohort } from "../src/imaging/index.ts";
import { networkOfStudy } from "../src/networks/index.ts";
import { runSimulation } from "../src/simulate/index.ts";

import { privacyAccount, setPrivacyBudget } from "../src/site/index.ts";
import { parseStudy } from "../src/study/index.ts";
import { networkParameters } from "../src/training/index.ts";

const study = parseStudy({
  schema: "consilium.study/1",
  name: "private",
  task: { spacingMm: 4 },
  network: { kind: "unet3d", levels: 2, baseFeatures: 4 },
  training: { optimiser: { kind: "sgd", learningRate: 0.02 }, patch: [16, 16, 16], stepsPerRound: 5 },
  rounds: { count: 2, evaluateEvery: 2 },
  privacy: {
    secureAggregation: { threshold: 2 },
    patientLevel: { clipNorm: 1, noiseMultiplier: 1, samplingRate: 0.4, delta: 1e-3 },
  },
});

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "consilium-private-"));
  await writeCohort({ dir: join(folder, "data"), cases: 9, seed: 3, spacingMm: 4 });
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function run(name: string) {
  const network = networkOfStudy(study);
  const data = { kind: "dealt", dataset: join(folder, "data"), sites: 3, sizes: "even", holdOut: [] } as const;
  const out = join(folder, name);
  const options = { study, network, initial: networkParameters(network), data, out, baselines: false };
  const { result } = await runSimulation({ ...options, workers: 2, command: "test" }, () => undefined);
  return { result, out };
}

it("trains, pays at every site, and gives another model each time", async () => {
  const [first, second] = [await run("first"), await run("second")];
  expect(first.result.federated.modelSha256).not.toBe(second.result.federated.modelSha256);
  expect(first.result.patientLevel?.epsilon).toBeGreaterThan(1);
  const homes = (await readdir(join(first.out, "sites"), { withFileTypes: true })).filter((each) => each.isDirectory());
  expect(homes).toHaveLength(3);
  for (const { name } of homes) {
    const home = join(first.out, "sites", name);
    const { spent, studies } = await privacyAccount(home);
    expect(studies).toMatchObject([{ rounds: 2, unprotectedRounds: 0 }]);
    expect(spent?.epsilon).toBeCloseTo(first.result.patientLevel?.epsilon ?? 0, 9);
    // The budget can be lowered afterwards, below what is spent.
    await setPrivacyBudget(home, { epsilon: 0.1, delta: 1e-3, accountant: "rdp" });
    expect((await privacyAccount(home)).budget?.epsilon).toBe(0.1);
  }
});
