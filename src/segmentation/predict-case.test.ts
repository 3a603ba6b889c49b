import fc from "fast-check";
import { expect, test } from "vitest";
import type { LoadedCase, Triple, Volume } from "../imaging/index.ts";
import { studySchema } from "../study/index.ts";
import { ALL_MIRRORS, addMirrored, mirrored } from "./mirror.ts";
import { predictCase } from "./predict-case.ts";
import type { Predict } from "./sliding-window.ts";

const DIMS: Triple = [9, 8, 7];

test("a mirrored volume mirrored again is itself, and the eight mirrors differ", () => {
  fc.assert(
    fc.property(fc.constantFrom(...ALL_MIRRORS), fc.integer({ min: 1, max: 3 }), (mirror, channels) => {
      const data = Float32Array.from({ length: channels * 3 * 4 * 5 }, (_, i) => Math.sin(i));
      expect(mirrored(mirrored(data, [3, 4, 5], mirror), [3, 4, 5], mirror)).toEqual(data);
    }),
  );
  const data = Float32Array.from({ length: 60 }, (_, i) => i);
  expect(new Set(ALL_MIRRORS.map((mirror) => mirrored(data, [3, 4, 5], mirror).join())).size).toBe(8);
  const sums = new Float32Array(60).fill(1);
  addMirrored(sums, data, [3, 4, 5], [true, false, false]);
  expect([...sums.subarray(0, 3)]).toEqual([3, 2, 1]);
});

const task = studySchema.shape.task.parse({ channels: ["t1"], spacingMm: 1 });

/** A ball of brain, brighter to one side. */
function sample(): LoadedCase {
  const data = new Float32Array(DIMS[0] * DIMS[1] * DIMS[2]);
  for (let i = 0; i < data.length; i++) data[i] = 1 + (i % DIMS[0]);
  const affineVoxelToRas = [-1, 0, 0, 0, 0, -1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1];
  const channel: Volume<Float32Array> = { dims: DIMS, data, affineVoxelToRas };
  return { id: "X", modalities: ["t1"], channels: [channel] };
}

const window = { patch: DIMS, channels: 4, outputs: "classes" as const, overlap: 0.5 };
/** Class 2 where the image is bright, voxel by voxel: the same in every mirror. */
const byVoxel: Predict = async (image) => {
  const logits = new Float32Array(4 * image.length);
  for (let i = 0; i < image.length; i++) logits[2 * image.length + i] = image[i] > 0.5 ? 5 : -5;
  return logits;
};
/** Class 2 on the window's first two columns, whatever is there: another opinion in a mirror along x. */
const byPlace: Predict = async (image) => {
  const logits = new Float32Array(4 * image.length);
  for (let i = 0; i < image.length; i++) logits[2 * image.length + i] = i % DIMS[0] < 2 ? 9 : -5;
  return logits;
};

test("a network that sees voxels alone draws the same in every mirror", async () => {
  const members = [{ window, predict: byVoxel }];
  const upright = await predictCase(sample(), { task, members });
  const all = await predictCase(sample(), { task, members, mirrors: ALL_MIRRORS });
  expect(upright.labelMap.data.includes(2)).toBe(true);
  expect(all.labelMap.data).toEqual(upright.labelMap.data);
  expect(all.opinionsMl).toEqual(Array(8).fill(upright.opinionsMl[0]));
});

test("opinions that differ are averaged, and each tells its own volume", async () => {
  const [place, voxel] = [byPlace, byVoxel].map((predict) => ({ window, predict }));
  const both = await predictCase(sample(), { task, members: [place, voxel] });
  const alone = await Promise.all([place, voxel].map((each) => predictCase(sample(), { task, members: [each] })));
  expect(both.opinionsMl).toEqual(alone.map(({ opinionsMl }) => opinionsMl[0]));
  expect(both.opinionsMl[0].WT).toBeCloseTo((2 * DIMS[1] * DIMS[2]) / 1000, 12);
  expect(both.opinionsMl[0].WT).not.toBe(both.opinionsMl[1].WT);
});

test("the task's rules hold for the label map and for every opinion", async () => {
  const strict = { ...task, postProcessing: { smallestTumourMm3: 10_000 } };
  const { labelMap, opinionsMl } = await predictCase(sample(), {
    task: strict,
    members: [{ window, predict: byPlace }],
    mirrors: ALL_MIRRORS.slice(0, 2),
  });
  expect(labelMap.data.some((label) => label !== 0)).toBe(false);
  expect(opinionsMl.map(({ WT }) => WT)).toEqual([0, 0]);
});

test("progress runs once through all opinions", async () => {
  const seen: [number, number][] = [];
  const members = [{ window, predict: byVoxel }];
  const onWindow = (done: number, total: number): void => void seen.push([done, total]);
  await predictCase(sample(), { task, members, mirrors: ALL_MIRRORS.slice(0, 3), onWindow });
  expect(seen).toEqual([
    [1, 3],
    [2, 3],
    [3, 3],
  ]);
});

test("a network that compares the sides sees both, its plane in the middle of every mirror's window", async () => {
  const whole = sample();
  // What is left of the brain lies off the middle; a window of its width covers it only when it is centred on it.
  const cut = (data: Float32Array): Float32Array => data.map((value, i) => (i % DIMS[0] < 3 ? 0 : value));
  const loaded = { ...whole, channels: whole.channels.map((volume) => ({ ...volume, data: cut(volume.data) })) };
  const broadest = DIMS[0] - 3;
  const middles: number[] = [];
  const watching: Predict = async (image, [width]) => {
    expect([width % 4, width >= broadest]).toEqual([0, true]);
    const columns = Array.from({ length: image.length }, (_, i) => i % width).filter((_, i) => image[i] !== 0);
    middles.push((Math.min(...columns) + Math.max(...columns)) / 2 - (width - 1) / 2);
    return byVoxel(image, [width, DIMS[1], DIMS[2]]);
  };
  // Narrower than the head: the window grows until it holds both sides.
  const centred = { ...window, patch: [4, DIMS[1], DIMS[2]] as const, centredBy: 4 };
  const members = [{ window: centred, predict: watching }];
  const upright = await predictCase(loaded, { task, members });
  const both = await predictCase(loaded, { task, members, mirrors: ALL_MIRRORS.slice(0, 2) });
  expect(both.labelMap.data).toEqual(upright.labelMap.data);
  expect(middles).toHaveLength(3);
  for (const off of middles) expect(Math.abs(off)).toBeLessThanOrEqual(0.5);
});
