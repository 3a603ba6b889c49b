import { describe, expect, it } from "vitest";
import { sampleImages } from "../imaging/testing/sample-volumes.ts";
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
    const images = sampleImages();
    const channels = task.channels.map((modality) => {
      const volume = images[modality];
      return { ...volume, data: Float32Array.from(volume.data) };
    });
    const loaded = { id: "case", modalities: task.channels, channels };
    const window = { patch: [8, 8, 8], classes: 4, overlap: 0.5, centred: false } as const;
    const everywhere = (): Promise<Float32Array> =>
      Promise.resolve(Float32Array.from({ length: 4 * 512 }, (_, i) => (i < 512 || i >= 1024 ? 0 : 9)));
    const { labelMap } = await predictCase(loaded, { task, members: [{ window, predict: everywhere }] });
    const { data } = labelMap;
    const expected = Array.from(data, (_, i) => (channels.some((channel) => channel.data[i] !== 0) ? 1 : 0));
    expect(expected).toContain(0);
    expect([...data]).toEqual(expected);
  });
});
