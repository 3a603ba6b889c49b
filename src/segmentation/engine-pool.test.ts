/** Engines in worker threads: another time for work that runs there, and for work that still waits for its thread. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { parseStudy } from "../study/index.ts";
import { networkParameters } from "../training/index.ts";
import { openEnginePool } from "./engine-pool.ts";
import type { TrainRequest } from "./local-work.ts";
import { smallNetwork, writeSmallSite } from "./testing/small-site.ts";

it("gives a training another time, in its thread and before it has one, and no other site's", async () => {
  const steps = 400;
  const study = parseStudy({
    schema: "consilium.study/1",
    name: "small",
    task: { channels: ["t1", "flair"] },
    network: { kind: "onnx", file: "small.onnx" },
    training: { optimiser: { kind: "sgd", learningRate: 0.01 }, patch: [8, 8, 8], stepsPerRound: steps },
    rounds: { count: 1, partialWork: { leastShare: 0.01 } },
  });
  const network = smallNetwork();
  const request: Omit<TrainRequest, "siteId"> = {
    parameters: networkParameters(network).data,
    optimiserState: null,
    stepsTaken: 0,
    round: 1,
    steps,
    finishWithinMs: 1e9,
  };
  const folder = await mkdtemp(join(tmpdir(), "consilium-pool-"));
  const [north, south] = await Promise.all(["north", "south"].map((id) => writeSmallSite(join(folder, id), id)));
  const pool = openEnginePool({ study, network, workers: 1 });
  try {
    const [first, second] = [pool.forSite(north), pool.forSite(south)];
    const running = first.train({ ...request, siteId: "north" }, ({ done }) => {
      if (done === 3) second.finishWithin(0);
      if (done === 50) first.finishWithin(0);
    });
    const waiting = second.train({ ...request, siteId: "south" });
    const stopped = await running;
    expect(stopped.steps).toBeGreaterThanOrEqual(50);
    expect(stopped.steps).toBeLessThan(steps);
    expect((await waiting).steps).toBe(4);
    await pool.close();
    await expect(first.train({ ...request, siteId: "north" })).rejects.toThrow("interrupted");
  } finally {
    await pool.close();
    await rm(folder, { recursive: true, force: true });
  }
});
