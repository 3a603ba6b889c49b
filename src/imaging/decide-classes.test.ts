import { expect, it } from "vitest";
import { type Decision, decidePlane } from "./decide-classes.ts";

/** `scores`: [K, voxels]. */
function decideClasses(scores: Float32Array, channels: number, decision: Decision): Uint8Array {
  const voxels = scores.length / channels;
  return decidePlane(voxels, channels, decision, (k) => scores.subarray(k * voxels, (k + 1) * voxels));
}

it("takes the most probable class, of equal ones the lower", () => {
  const scores = Float32Array.of(0.2, 0.5, 0.4, 0.5, 0.5, 0.4, 0.3, 0, 0.2);
  expect([...decideClasses(scores, 3, { kind: "mostProbable" })]).toEqual([1, 0, 0]);
});

it("takes the class of the smallest region that a voxel lies in, background outside all", () => {
  // voxels: nowhere, WT, WT and TC, all, ET alone, on the border of WT
  const [wt, tc, et] = [
    [0.1, 0.9, 0.9, 0.9, 0.3, 0.5],
    [0.1, 0.2, 0.8, 0.7, 0.1, 0],
    [0.4, 0.2, 0.1, 0.6, 0.9, 0],
  ];
  const decision = { kind: "smallestRegion", classes: [2, 1, 3] } as const;
  expect([...decideClasses(Float32Array.of(...wt, ...tc, ...et), 3, decision)]).toEqual([0, 2, 1, 3, 3, 0]);
});
