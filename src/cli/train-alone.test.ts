/** Cases that are held out by name, and what is said of the other scans of the same patients. */
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type CaseFiles, writeCohort } from "../imaging/index.ts";
import { parseStudy } from "../study/index.ts";
import { casesText } from "./commands/train.ts";
import { silentProgress } from "./progress.ts";
import { heldOutOf, usableCases } from "./train-alone.ts";

const scan = (id: string, subject: string): CaseFiles => ({ id, subject, folder: id, images: {} });

it("keeps other scans of a held-out patient from training, and says how many", () => {
  const cases = [scan("v1", "A"), scan("v2", "A"), scan("v3", "A"), scan("w1", "B"), scan("w2", "B")];
  const [training, held] = heldOutOf(cases, ["v1"]);
  expect([training, held].map((part) => part.map(({ id }) => id))).toEqual([["w1", "w2"], ["v1"]]);
  const leftOut = cases.length - training.length - held.length;
  expect(casesText({ train: training.length, validation: held.length, leftOut })).toBe(
    "2 training cases, 1 to measure on, and 2 other scans of the same patients left out",
  );
  expect(casesText({ train: 4, validation: 1, leftOut: 0 })).toBe("4 training cases, 1 to measure on");
});

describe("a dataset of which one case in five is broken", () => {
  let root = "";
  let broken = "";
  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), "consilium-train-alone-"));
    await writeCohort({ dir: root, cases: 5, seed: 3, spacingMm: 8 });
    [, , broken] = (await readdir(root)).filter((name) => name.startsWith("Phantom")).sort();
    const file = join(root, broken, `${broken}_t2.nii.gz`);
    await writeFile(file, (await readFile(file)).subarray(0, 200));
  });
  afterAll(() => rm(root, { recursive: true, force: true }));

  const from = (excludeBroken: boolean) => {
    const study = parseStudy({
      schema: "consilium.study/1",
      name: "Four of five",
      network: { kind: "unet3d", levels: 2 },
      training: { optimiser: { kind: "sgd", learningRate: 0.05 }, patch: [8, 8, 8], stepsPerRound: 1 },
      rounds: { count: 1 },
    });
    const { signal } = new AbortController();
    return usableCases({ dataset: root, excludeBroken, study, signal, progress: silentProgress });
  };

  it("is trained on with four, and the fifth is explained, where that is asked for", async () => {
    const { cases, excluded } = await from(true);
    expect(cases).toHaveLength(4);
    expect(cases.map(({ id }) => id)).not.toContain(broken);
    expect(excluded).toMatchObject([{ caseId: broken, error: { code: "nifti-corrupt" } }]);
  });

  it("is not read beforehand otherwise; what names alone tell ends the run, and says how to go on", async () => {
    expect((await from(false)).cases).toHaveLength(5);
    await rm(join(root, broken, `${broken}_t2.nii.gz`));
    await expect(from(false)).rejects.toMatchObject({ hint: expect.stringContaining("--exclude-broken") });
    expect((await from(true)).cases).toHaveLength(4);
  });
});
