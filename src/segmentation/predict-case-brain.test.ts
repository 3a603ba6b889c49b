import { describe, expect, it } from "vitest";
import type { Triple } from "../imaging/index.ts";
import { studySchema } from "../study/index.ts";
import { predictCase } from "./predict-case.ts";

const { task } = studySchema.parse({
  schema: "consilium.study/1",
  name: "t",
  network: { kind: "unet3d" },
  training: { optimiser: { kind: "sgd", learningRate: 1 }, patch: [8, 8, 8], stepsPerRound: 1 },
  rounds: { count: 1 },
});

describe("predictCase", () => {
  it("finds no tumour outside the brain, whatever the network says", async () => {
    const dims: Triple = [12, 10, 8];
    const affineVoxelToRas = [-1, 0, 0, 0, 0, -1, 0, 239, 0, 0, 1, 0, 0, 0, 0, 1];
    const inBall = (i: number): boolean =>
      Math.hypot((i % 12) - 5.5, (Math.floor(i / 12) % 10) - 4.5, Math.floor(i / 120) - 3.5) < 4;
    const channels = task.channels.map((_modality, c) => {
      const data = Float32Array.from({ length: 960 }, (_, i) => (inBall(i) ? 100 * (c + 3) + ((i * 7919) % 97) : 0));
      return { dims, data, affineVoxelToRas };
    });
    const loaded = { id: "case", modalities: task.channels, channels };
    const window = { patch: [8, 8, 8], channels: 4, outputs: "classes", overlap: 0.5 } as const;
    const everywhere = (): Promise<Float32Array> =>
      Promise.resolve(Float32Array.from({ length: 4 * 512 }, (_, i) => (i < 512 || i >= 1024 ? 0 : 9)));
    const { labelMap } = await predictCase(loaded, { task, members: [{ window, predict: everywhere }] });
    const { data } = labelMap;
    const expected = Array.from(data, (_, i) => (channels.some((channel) => channel.data[i] !== 0) ? 1 : 0));
    expect(expected).toContain(0);
    expect([...data]).toEqual(expected);
  });
});
