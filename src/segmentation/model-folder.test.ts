import { readFileSync, rmSync } from "node:fs";
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { networkOfStudy } from "../networks/index.ts";
import { privacySpent } from "../privacy/index.ts";
import { studySchema } from "../study/index.ts";
import { networkParameters } from "../training/index.ts";
import { type CardFacts, cardFigures, cardFiguresOfMeans, makeCard, siteCardFigures } from "./model-card.ts";
import { readModelFolder, writeModelFolder } from "./model-folder.ts";
import { type ModelSigner, signModel } from "./model-signature.ts";
import { testSigner } from "./testing/signers.ts";

const study = studySchema.parse({
  schema: "consilium.study/1",
  name: "Signed",
  licence: "CC-BY-4.0",
  network: { kind: "unet3d", levels: 2, baseFeatures: 2 },
  training: { optimiser: { kind: "sgd", learningRate: 0.1 }, patch: [8, 8, 8], stepsPerRound: 1 },
  rounds: { count: 3 },
});
const network = networkOfStudy(study);
const parameters = networkParameters(network);
const scores = (dice: number | null): { dice: number | null; hd95: null; sensitivity: null; specificity: null } => ({
  dice,
  hd95: null,
  sensitivity: null,
  specificity: null,
});
const cases = [0.5, 0.7, 0.9, 0].map((dice, i) => ({
  subject: `s${i}`,
  regions: { WT: scores(dice), TC: scores(null), ET: scores(dice / 2) },
}));
const none = { dice: null, hd95: null, diceInterval: null, hd95Interval: null };
const south = { WT: { ...none, dice: 0.2, hd95: 4, diceInterval: [0.1, 0.3] as const }, TC: none, ET: none };
const facts: CardFacts = {
  sites: [
    { id: "north", training: 12, validation: 4, figures: siteCardFigures(cases, ["WT", "TC", "ET"]) },
    {
      id: "south",
      training: 3,
      validation: 1,
      figures: cardFiguresOfMeans({ cases: 1, regions: south }),
    },
  ],
  round: 2,
  gradientSteps: 30,
  evaluation: { on: "heldOut", figures: cardFigures(cases, ["WT", "TC", "ET"]) },
  lineage: { kind: "federation", studyHash: "ab".repeat(32), which: "model of round 2", parent: null },
};

let root: string;
let signer: ModelSigner;
let other: ModelSigner;
let count = 0;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "consilium-model-"));
  [signer, other] = await Promise.all([testSigner("One"), testSigner("Other")]);
  await writeModelFolder(join(root, "signed"), { study, network, parameters, facts, signer });
  await writeModelFolder(join(root, "plain"), { study, network, parameters, facts });
});
afterAll(() => rm(root, { recursive: true, force: true }));

async function copyOf(name: "signed" | "plain"): Promise<string> {
  const copy = join(root, `copy-${count++}`);
  await cp(join(root, name), copy, { recursive: true });
  return copy;
}

async function edit(dir: string, name: string, from: string, to: string): Promise<void> {
  const text = await readFile(join(dir, name), "latin1");
  expect(text).toContain(from);
  await writeFile(join(dir, name), text.replace(from, to), "latin1");
}

test("a folder is read as it was written, with who vouches for it", async () => {
  const model = await readModelFolder(join(root, "signed"));
  expect(model.signer).toEqual({ role: "coordinator", federationId: model.description.federationId });
  expect(model.description.study).toEqual(study);
  expect(model.parameters.data).toEqual(parameters.data);
  const plain = await readModelFolder(join(root, "plain"));
  expect([plain.signer, plain.description.federationId]).toEqual([null, null]);
  await expect(writeModelFolder(join(root, "plain"), { study, network, parameters, facts })).rejects.toMatchObject({
    code: "file-exists",
  });
});

test.each([
  ["model.onnx", "consilium.task", "consilium.tasc"],
  ["weights.safetensors", "F32", "F33"],
  ["card.md", "For research", "For everything"],
  ["model.json", '"consilium.model/3"', '"consilium.modem/3"'],
])("%s altered is refused, signed or not", async (name, from, to) => {
  for (const kind of ["signed", "plain"] as const) {
    const dir = await copyOf(kind);
    await readModelFolder(dir);
    await edit(dir, name, from, to);
    await expect(readModelFolder(dir)).rejects.toMatchObject({ code: "file-corrupt" });
  }
});

test("a model of another version's is called so", async () => {
  const dir = await copyOf("plain");
  await edit(dir, "model.json", '"consilium.model/3"', '"consilium.model/2"');
  await expect(readModelFolder(dir)).rejects.toMatchObject({ code: "model-version", actual: "consilium.model/2" });
});

test("a signed model.json cannot be edited, nor its signature taken away or made by another federation", async () => {
  const edited = await copyOf("signed");
  await edit(edited, "model.json", '"licence": "CC-BY-4.0"', '"licence": "CC0-1.0"');
  await expect(readModelFolder(edited)).rejects.toMatchObject({ code: "signature-invalid" });

  const bare = await copyOf("signed");
  rmSync(join(bare, "signature.json"));
  await expect(readModelFolder(bare)).rejects.toMatchObject({ code: "file-not-found" });

  const foreign = await copyOf("signed");
  await writeFile(join(foreign, "signature.json"), signModel(readFileSync(join(foreign, "model.json")), other));
  await expect(readModelFolder(foreign)).rejects.toMatchObject({ code: "file-corrupt" });

  const mixed = await copyOf("signed");
  const stolen = { ...other, authorityPem: signer.authorityPem };
  await writeFile(join(mixed, "signature.json"), signModel(readFileSync(join(mixed, "model.json")), stolen));
  await expect(readModelFolder(mixed)).rejects.toMatchObject({ code: "signature-invalid" });
});

test("the card tells counts, figures with intervals, the worst site, what fails, lineage and licence", async () => {
  const { description } = await readModelFolder(join(root, "signed"));
  const { card } = description;
  expect(card).toEqual(makeCard(study, facts));
  expect(card.worstSite).toEqual({
    id: "south",
    meanDice: 0.2,
    // The others have no mean at one site or at both.
    dice: { WT: { id: "south", mean: 0.2 }, TC: null, ET: null },
    hd95: { WT: null, TC: null, ET: null },
  });
  const dice = card.evaluation.figures?.dice ?? {};
  expect(dice.WT.mean).toBeCloseTo(0.525, 12);
  const [low, high] = dice.WT.interval ?? [Number.NaN, Number.NaN];
  expect(low).toBeGreaterThan(0.1);
  expect(low).toBeLessThan(0.525);
  expect(high).toBeGreaterThan(0.525);
  expect(high).toBeLessThanOrEqual(0.9);
  expect(dice.TC).toEqual({ mean: null, interval: null, worstTenth: null, cases: 0 });
  expect(dice.WT.worstTenth).toBe(0);
  expect(card.sites.map(({ figures }) => figures?.dice.WT.worstTenth)).toEqual([null, null]);
  expect(card.failureModes[0]).toMatch(/^WT was missed .* in 1 of 4/);
  const text = await readFile(join(root, "signed", "card.md"), "utf8");
  for (const part of [
    "| north | 12 | 4 |",
    "Worst site: south, mean Dice 0.200",
    "| Dice WT | 0.525 | 0.000 | south 0.200 |",
    "Worst tenth: mean of the worst tenth",
    "CC-BY-4.0",
    "ab".repeat(32),
    "30 gradient steps",
    "| south | 0.200 (0.100 to 0.300) |",
    "by resampling patients or Student's t over patients",
    "No noise was added",
  ]) {
    expect(text).toContain(part);
  }
});

test("the card of a federation that sent sums says why it has no worst tenth", async () => {
  const evaluation = { on: "validation", figures: cardFiguresOfMeans({ cases: 5, regions: south }) } as const;
  const dir = join(root, "sums");
  await writeModelFolder(dir, { study, network, parameters, facts: { ...facts, evaluation } });
  const text = await readFile(join(dir, "card.md"), "utf8");
  expect(text).toContain("| Dice WT | 0.200 | – | south 0.200 |");
  expect(text).toContain("the worst tenth of the cases is not known");
  expect((await readModelFolder(dir)).description.card.evaluation.figures?.dice.WT.worstTenth).toBeNull();
});

test("the card of a study with noise tells what it spends on each patient and on each site", () => {
  const privacy = {
    patientLevel: { noiseMultiplier: 1.1, samplingRate: 0.01, clipNorm: 1, delta: 1e-5 },
    siteLevel: { noiseMultiplier: 8, clipNorm: 0.1, delta: 1e-3 },
    secureAggregation: { threshold: 3 },
  };
  const cardWith = (given: Partial<typeof privacy>, kind: "federation" | "one institution" = "federation") =>
    makeCard(
      { ...study, ...studySchema.parse({ ...study, privacy: given }) },
      { ...facts, lineage: { ...facts.lineage, kind } },
    ).privacy;

  const ofPatients = cardWith({ patientLevel: privacy.patientLevel });
  const spent = privacySpent(
    {
      kind: "selfComposed",
      count: 3 * Number(study.training.stepsPerRound),
      event: { kind: "poissonSampled", samplingRate: 0.01, event: { kind: "gaussian", noiseMultiplier: 1.1 } },
    },
    1e-5,
    "rdp",
  );
  expect(ofPatients.differentialPrivacy.patientLevel?.epsilon).toBeCloseTo(spent.epsilon, 9);
  expect(ofPatients.differentialPrivacy.siteLevel).toBeNull();
  expect(ofPatients.statement).toMatch(/over all 3 rounds .* epsilon at most [\d.]+ at delta 0.00001 for each patient/);
  expect(ofPatients.statement).not.toContain("No noise");

  const ofSites = cardWith({ siteLevel: privacy.siteLevel, secureAggregation: privacy.secureAggregation });
  expect(ofSites.differentialPrivacy.siteLevel?.epsilon).toBeGreaterThan(0);
  expect(ofSites.statement).toMatch(/for each site/);

  // One institution by itself sums nothing over sites: their noise was not added.
  const alone = cardWith(
    { siteLevel: privacy.siteLevel, secureAggregation: privacy.secureAggregation },
    "one institution",
  );
  expect(alone.differentialPrivacy).toEqual({ patientLevel: null, siteLevel: null });
  expect(alone.statement).toContain("No noise was added");
});
