/** Against real scans, where CONSILIUM_BRATS and CONSILIUM_RATERS name them; else skipped, and said so. */
import { createHash } from "node:crypto";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { checkCase, loadCase } from "./load-case.ts";
import { readNifti } from "./nifti-file.ts";
import { orientationOf } from "./orientation.ts";
import { prepareCase } from "./prepare-case.ts";
import { restoreLabelMap, restoreProbabilities } from "./restore-case.ts";
import { scanDataset } from "./scan-dataset.ts";
import { expectSameVolume } from "./testing/sample-volumes.ts";

const brats = process.env.CONSILIUM_BRATS;
const raters = process.env.CONSILIUM_RATERS;
if (brats === undefined) console.error("skipped: set CONSILIUM_BRATS to a BraTS 2021 folder to test on real MRI");
if (raters === undefined) console.error("skipped: set CONSILIUM_RATERS to the raters' label maps to test on them");

function dice(a: Uint8Array, b: Uint8Array): number {
  let both = 0;
  let sum = 0;
  for (let i = 0; i < a.length; i++) {
    const [p, q] = [Math.min(a[i], 1), Math.min(b[i], 1)];
    both += p & q;
    sum += p + q;
  }
  return (2 * both) / sum;
}

describe.skipIf(brats === undefined)("BraTS 2021", () => {
  const dir = brats as string;

  it("is found, case by case, with nothing wrong", async () => {
    const dataset = await scanDataset(dir);
    expect(dataset).toMatchObject({ convention: "brats2021", problems: [], ignored: [] });
    expect(dataset.cases.length).toBeGreaterThanOrEqual(7);
    for (const files of dataset.cases.slice(0, 2)) {
      expect(files.subject).toBe(files.id);
      expect(await checkCase(files, dataset.convention)).toEqual([]);
    }
  });

  it("goes to 2 mm and back", async () => {
    const { cases, convention } = await scanDataset(dir);
    const loaded = await loadCase(cases[0], convention);
    expect(loaded.channels.map(({ dims }) => dims)).toEqual(new Array(4).fill([240, 240, 155]));
    expect(orientationOf(loaded.channels[0].affineVoxelToRas)).toBe("LPS");
    const { image, labels, brain, geometry, dims } = prepareCase(loaded, { spacingMm: 2, channels: loaded.modalities });
    const reference = loaded.labelMap;
    if (labels === undefined || reference === undefined) throw new Error("a case without labels");
    expect(image.length).toBe(4 * dims[0] * dims[1] * dims[2]);
    expect(image.every(Number.isFinite)).toBe(true);
    // What a perfect network could reach at this resolution.
    const oneHot = new Float32Array(4 * labels.length);
    for (const [i, label] of labels.entries()) oneHot[label * labels.length + i] = 1;
    const [nearest, smooth] = [
      restoreLabelMap(labels, geometry),
      restoreProbabilities(oneHot, 4, geometry, { kind: "mostProbable" }),
    ];
    expect(nearest.dims).toEqual([240, 240, 155]);
    expect(dice(nearest.data, reference.data)).toBeGreaterThan(0.92);
    expect(dice(smooth.data, reference.data)).toBeGreaterThan(dice(nearest.data, reference.data));
    // Tumour lies in the brain.
    expect(labels.every((label, i) => label === 0 || brain[i] === 1)).toBe(true);
  });

  it("gives the same bits each time, at full resolution exactly what was there", async () => {
    const { cases, convention } = await scanDataset(dir);
    const loaded = await loadCase(cases[1], convention);
    const digest = (): string => {
      const { image } = prepareCase(loaded, { spacingMm: 2, channels: ["flair"] });
      return createHash("sha256").update(new Uint8Array(image.buffer)).digest("hex");
    };
    expect(digest()).toBe(digest());
    const { labels = new Uint8Array(), geometry } = prepareCase(loaded, { spacingMm: 1, channels: ["flair"] });
    expectSameVolume(restoreLabelMap(labels, geometry), loaded.labelMap);
  });
});

describe.skipIf(raters === undefined)("raters' label maps", () => {
  it("are read, on the BraTS grid", async () => {
    for (const folder of await readdir(raters as string)) {
      for (const name of await readdir(join(raters as string, folder))) {
        const { volume } = await readNifti(join(raters as string, folder, name));
        expect(volume.dims).toEqual([240, 240, 155]);
        expect([...new Set(volume.data)].every((label) => [0, 1, 2, 4].includes(label))).toBe(true);
      }
    }
  });
});
