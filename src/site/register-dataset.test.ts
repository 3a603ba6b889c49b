import { mkdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createRandom, type Sha256 } from "../base/index.ts";
import { type Volume, writeNifti } from "../imaging/index.ts";
import { readDataCheck } from "./data-check.ts";
import { readSite } from "./home.ts";
import { registerDataset } from "./register-dataset.ts";
import { dataOfStudy, readRegisteredData, trainingCases, validationCases } from "./site-data.ts";
import { scriptedCoordinator } from "./testing/scripted-coordinator.ts";
import { joinTestSite, temporaryFolder, tinyStudy } from "./testing/test-site.ts";

const SIDE = 6;
let root: string;
let home: string;
let dataset: string;
beforeEach(async () => {
  root = await temporaryFolder();
  dataset = join(root, "dataset");
  const { service, invitation } = await scriptedCoordinator(tinyStudy(), ["a"]);
  home = await joinTestSite({ root, siteId: "a", invitation: invitation("a"), service, cases: [] });
  await rm(join(home, "data.json"));
});
afterEach(() => rm(root, { recursive: true, force: true }));

async function addCase(id: string, leaveOut: readonly string[] = []): Promise<void> {
  const random = createRandom("case", id);
  const affineVoxelToRas = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1];
  const dims = [SIDE, SIDE, SIDE] as const;
  await mkdir(join(dataset, id), { recursive: true });
  for (const role of ["t1", "t1ce", "t2", "flair", "seg"]) {
    if (leaveOut.includes(role)) continue;
    const image = Float32Array.from({ length: SIDE ** 3 }, () => random.between(1, 100));
    const labels = Uint8Array.from({ length: SIDE ** 3 }, () => [0, 1, 2, 4][random.integer(4)]);
    const volume: Volume = { dims, data: role === "seg" ? labels : image, affineVoxelToRas };
    await writeNifti(join(dataset, id, `${id}_${role}.nii.gz`), volume);
  }
}

async function addCases(from: number, to: number): Promise<void> {
  for (let i = from; i < to; i++) await addCase(`P${String(i).padStart(3, "0")}`);
}

describe("registerDataset", () => {
  it("checks every case, splits by subject and keeps it in the home", async () => {
    await addCases(0, 10);
    const seen: number[] = [];
    const made = await registerDataset({ home, dataset, onProgress: (checked) => seen.push(checked) });
    expect(made).toMatchObject({
      training: 8,
      validation: 2,
      subjects: 10,
      added: 10,
      gone: 0,
      convention: "brats2021",
    });
    expect(seen).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    expect(made.excluded).toEqual([]);
    const check = await readDataCheck((await readSite(home)).store);
    expect(check?.cases).toHaveLength(10);
    expect(check?.cases[0]).toMatchObject({ id: "P000", labelMap: true, problems: [] });
    expect(check?.cases[0].measures).toMatchObject({ "brain, ml": 0.216, "finest voxel side, mm": 1 });
    expect((await readRegisteredData((await readSite(home)).store))?.smallestExtentMm).toEqual([SIDE, SIDE, SIDE]);
  });

  it("takes cases without a scan where that is declared, for the studies that are trained for it", async () => {
    await addCases(0, 5);
    await addCase("Q000", ["t2"]);
    await expect(registerDataset({ home, dataset })).rejects.toMatchObject({ code: "dataset-invalid" });
    expect(await registerDataset({ home, dataset, mayMiss: ["t2"] })).toMatchObject({ subjects: 6, incomplete: 1 });
    const { store } = await readSite(home);
    const { task } = tinyStudy();
    const casesOf = async (hash: string, mayMiss?: readonly ("t2" | "flair")[]): Promise<string[]> => {
      const { cases } = await dataOfStudy(store, "a", hash as Sha256, {
        task: { ...task, mayMiss: mayMiss && [...mayMiss] },
      });
      return [...cases.trainingCases, ...cases.validationCases].map(({ id }) => id);
    };
    expect(await casesOf("a".repeat(64))).not.toContain("Q000");
    expect(await casesOf("b".repeat(64), ["flair"])).not.toContain("Q000");
    expect(await casesOf("c".repeat(64), ["t2"])).toContain("Q000");
    // What a study began with it keeps.
    expect(await casesOf("a".repeat(64), ["t2"])).not.toContain("Q000");
  });

  it("keeps counts private when the data is registered again, until that is lifted", async () => {
    await addCases(0, 2);
    const kept = async (privateCounts?: boolean) => {
      const made = await registerDataset({ home, dataset, ...(privateCounts !== undefined && { privateCounts }) });
      const data = await readRegisteredData((await readSite(home)).store);
      expect(made.privateCounts).toBe(data?.privateCounts ?? false);
      return made.privateCounts;
    };
    expect([await kept(), await kept(true), await kept(), await kept(false), await kept()]).toEqual([
      false,
      true,
      true,
      false,
      false,
    ]);
  });

  it("merges what is registered later, and draws nobody again", async () => {
    const { store } = await readSite(home);
    await addCases(0, 4);
    expect(await registerDataset({ home, dataset, seed: 3 })).toMatchObject({ training: 4, validation: 0 });
    const first = await readRegisteredData(store);
    await addCases(4, 10);
    expect(await registerDataset({ home, dataset, seed: 9 })).toMatchObject({ training: 8, validation: 2, added: 6 });
    const second = await readRegisteredData(store);
    expect(second?.seed).toBe(3);
    for (const [subject, side] of Object.entries(first?.split ?? {})) expect(second?.split[subject]).toBe(side);
    await rm(join(dataset, "P000"), { recursive: true });
    expect(await registerDataset({ home, dataset })).toMatchObject({ training: 7, validation: 2, gone: 1 });
    await addCase("P000");
    await registerDataset({ home, dataset });
    expect((await readRegisteredData(store))?.split).toEqual(second?.split);
  });

  it("keeps the time points that a table gives to one patient on one side, also those that come later", async () => {
    await addCases(0, 12);
    // Names say nothing about patients here: cases 2k and 2k + 1 are one.
    const table = (cases: number): string => {
      const rows = Array.from({ length: cases }, (_, i) => {
        const id = `P${String(i).padStart(3, "0")}`;
        const files = ["t1", "t1ce", "t2", "flair", "seg"].map((role) => `${id}/${id}_${role}.nii.gz`);
        return [id, `patient-${i >> 1}`, i % 2, ...files].join(",");
      });
      return ["case,subject,timepoint,t1,t1ce,t2,flair,seg", ...rows].join("\n");
    };
    const sidesOf = async (): Promise<Map<string, Set<string>>> => {
      const data = await readRegisteredData((await readSite(home)).store);
      if (data === undefined) throw new Error("nothing registered");
      const sides = new Map<string, Set<string>>();
      for (const [side, cases] of [
        ["training", trainingCases(data)],
        ["validation", validationCases(data)],
      ] as const) {
        for (const { subject } of cases) sides.set(subject, (sides.get(subject) ?? new Set()).add(side));
      }
      return sides;
    };
    for (const cases of [11, 12]) {
      await writeFile(join(dataset, "dataset.csv"), table(cases));
      const made = await registerDataset({ home, dataset });
      expect(made).toMatchObject({ subjects: 6, added: cases === 11 ? 11 : 1 });
      expect(made.training + made.validation).toBe(cases);
      const sides = await sidesOf();
      expect(sides.size).toBe(6);
      for (const [subject, seen] of sides) expect([...seen], subject).toHaveLength(1);
      expect([...sides.values()].flatMap((seen) => [...seen])).toContain("validation");
    }
    // By names alone every case is a patient of its own, and stays where its scan was.
    const sideOfCase = async (): Promise<string[]> => {
      const data = await readRegisteredData((await readSite(home)).store);
      return data === undefined ? [] : validationCases(data).map(({ id }) => id);
    };
    const before = await sideOfCase();
    await rm(join(dataset, "dataset.csv"));
    expect(await registerDataset({ home, dataset })).toMatchObject({ subjects: 12 });
    expect(await sideOfCase()).toEqual(before);
  });

  it("reads a post-operative cavity only where it is declared", async () => {
    await addCases(0, 5);
    const labelMap = join(dataset, "P000", "P000_seg.nii.gz");
    const affineVoxelToRas = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1];
    const data = Uint8Array.from({ length: SIDE ** 3 }, (_, i) => i % 5);
    await writeNifti(labelMap, { dims: [SIDE, SIDE, SIDE], data, affineVoxelToRas });
    await expect(registerDataset({ home, dataset })).rejects.toMatchObject({ code: "dataset-invalid" });
    expect(await registerDataset({ home, dataset, labels: "brats2024" })).toMatchObject({ convention: "brats2024" });
  });

  it("refuses a dataset with broken cases and names each, and leaves them out only when told to", async () => {
    await addCases(0, 6);
    await addCase("Q-missing", ["t2"]);
    await addCase("Q-unlabelled", ["seg"]);
    await addCase("Q-cut");
    await truncate(join(dataset, "Q-cut", "Q-cut_t1.nii.gz"), 100);
    const before = await readFile(join(home, "federation.json"), "utf8");
    const refused = registerDataset({ home, dataset });
    await expect(refused).rejects.toMatchObject({ code: "dataset-invalid" });
    await expect(refused).rejects.toThrow(
      /3 case\(s\).*Q-missing: \[modality-missing\].*Q-cut.*Q-unlabelled.*--exclude-broken/,
    );
    const { store } = await readSite(home);
    expect(await readRegisteredData(store)).toBeUndefined();
    expect(await readFile(join(home, "federation.json"), "utf8")).toBe(before);
    const check = await readDataCheck(store);
    const broken = check?.cases.filter(({ problems }) => problems.length > 0) ?? [];
    expect(broken.map(({ id, problems }) => [id, problems[0].code])).toEqual([
      ["Q-cut", "nifti-corrupt"],
      ["Q-missing", "modality-missing"],
      ["Q-unlabelled", "modality-missing"],
    ]);
    const made = await registerDataset({ home, dataset, excludeBroken: true });
    expect(made).toMatchObject({ training: 5, validation: 1 });
    expect(new Set(made.excluded.map(({ caseId }) => caseId))).toEqual(new Set(["Q-missing", "Q-cut", "Q-unlabelled"]));
    const data = await readRegisteredData(store);
    const used =
      data === undefined ? [] : [...trainingCases(data), ...validationCases(data)].map(({ id }) => id).sort();
    expect(used).toEqual(["P000", "P001", "P002", "P003", "P004", "P005"]);
  });

  it("refuses a dataset of which nothing is left, and an empty one", async () => {
    await addCase("Q", ["t2"]);
    await expect(registerDataset({ home, dataset, excludeBroken: true })).rejects.toMatchObject({
      code: "dataset-empty",
    });
    await rm(dataset, { recursive: true });
    await mkdir(dataset);
    await expect(registerDataset({ home, dataset })).rejects.toMatchObject({ code: "dataset-empty" });
    await writeFile(join(dataset, "notes.txt"), "x");
    await expect(registerDataset({ home, dataset })).rejects.toMatchObject({ code: "dataset-empty" });
  });

  it("takes one case, trains on it, and has no figures of its own", async () => {
    await addCases(0, 1);
    expect(await registerDataset({ home, dataset })).toMatchObject({ training: 1, validation: 0 });
  });
});
