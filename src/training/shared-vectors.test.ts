import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parameterLayout } from "../graph/index.ts";
import { parseStudy, type Study } from "../study/index.ts";
import {
  closeSharedVectors,
  nextControl,
  openSharedVectors,
  siteControl,
  withSharedVectors,
} from "./shared-vectors.ts";

function studyWith(training: object): Study {
  return parseStudy({
    schema: "consilium.study/1",
    name: "shared",
    network: { kind: "unet3d", levels: 2, baseFeatures: 2 },
    training: { patch: [8, 8, 8], stepsPerRound: 2, optimiser: { kind: "adamw", learningRate: 0.1 }, ...training },
    rounds: { count: 2 },
  });
}

const PLAIN = { kind: "sgd", learningRate: 0.1, momentum: 0, nesterov: false };
const layout = parameterLayout(
  new Map([
    ["weight", [2]],
    ["Zero", [1]],
  ]),
  new Set(["Zero"]),
);
const model = { layout, data: Float32Array.of(1, 2, 3) };

describe("vectors that travel with the parameters", () => {
  it.each([
    [{}, []],
    [{ optimiserState: "share" }, ["~optimiser.first", "~optimiser.second", "~optimiser.steps"]],
    [{ optimiserState: "share", optimiser: PLAIN }, ["~optimiser.first", "~optimiser.steps"]],
    [{ controlVariate: true, optimiser: PLAIN }, ["~control"]],
    [
      { controlVariate: true, optimiserState: "share", optimiser: PLAIN },
      ["~control", "~optimiser.first", "~optimiser.steps"],
    ],
  ])("%o: %j, behind the model", (training, names) => {
    const study = studyWith(training);
    const vector = withSharedVectors(study, model);
    expect(vector.layout.entries.map(({ name }) => name)).toEqual(["Zero", "weight", ...names]);
    expect([...vector.data.subarray(0, 3)]).toEqual([1, 2, 3]);
    expect(vector.data.subarray(3).every((value) => value === 0)).toBe(true);
    const start = openSharedVectors(study, layout, vector.data);
    expect([...start.parameters]).toEqual([1, 2, 3]);
    // the first round of shared moments starts anew
    expect(start.optimiser ?? { state: null, stepsTaken: 0 }).toEqual({ state: null, stepsTaken: 0 });
  });

  it.each(["sgd", "adam", "adamw"] as const)("the state of %s comes back as it went", (kind) => {
    const study = studyWith({ optimiserState: "share", optimiser: { kind, learningRate: 0.1 } });
    const width = kind === "sgd" ? 3 : 6;
    const { data: vector } = withSharedVectors(study, model);
    const value = fc.float({ min: Math.fround(1e-4), max: 10, noNaN: true });
    fc.assert(
      fc.property(
        fc.array(value, { minLength: width, maxLength: width }),
        fc.integer({ min: 1, max: 1e6 }),
        (values, stepsTaken) => {
          const state = Float32Array.from(values);
          const closed = closeSharedVectors(study, layout, vector, {
            parameters: model.data,
            optimiser: { state, stepsTaken },
          });
          const { optimiser } = openSharedVectors(study, layout, closed);
          expect(optimiser?.stepsTaken).toBe(stepsTaken);
          optimiser?.state?.forEach((got, i) => {
            expect(Math.abs(got / state[i] - 1)).toBeLessThan(1e-6);
          });
        },
      ),
    );
  });

  it("a second moment that rounding took away divides by no zero", () => {
    const study = studyWith({ optimiserState: "share" });
    const { data } = withSharedVectors(study, model);
    data.set([1e-3, 0, 0], 3);
    data[data.length - 1] = 10 / 2 ** 20;
    const { state } = openSharedVectors(study, layout, data).optimiser ?? {};
    expect(state).toHaveLength(6);
    expect(state?.subarray(3).every((value) => value > 0)).toBe(true);
  });

  it("a model alone shares nothing, and a name behind theirs is refused", () => {
    const study = studyWith({ optimiserState: "share" });
    expect(openSharedVectors(study, layout, model.data).optimiser).toBeUndefined();
    const end = { parameters: Float32Array.of(4, 5, 6), optimiser: { state: new Float32Array(6), stepsTaken: 1 } };
    expect([...closeSharedVectors(study, layout, model.data, end)]).toEqual([4, 5, 6]);
    const late = parameterLayout(new Map([["~~weight", [1]]]));
    expect(() => withSharedVectors(study, { layout: late, data: new Float32Array(1) })).toThrow(/\[onnx-unsupported\]/);
    expect(withSharedVectors(studyWith({}), { layout: late, data: new Float32Array(1) }).layout).toBe(late);
  });

  it("control variates follow option II of SCAFFOLD, and leave buffers out", () => {
    const [control, own] = [Float32Array.of(0, 0.5, -1), Float32Array.of(0, 0.25, 0.5)];
    const site = siteControl(control, own);
    expect([...site.correction]).toEqual([0, 0.25, -1.5]);
    // x - y = 0.2, 0.4, -0.8 over rates of 0.1 in all: mean corrected gradients 2, 4, -8
    const next = nextControl(layout, site, control, Float32Array.of(1, 1, 1), Float32Array.of(0.8, 0.6, 1.8), 0.1);
    // c_i' = c_i - c + (x - y) / rates; c moves by c_i' - c_i
    const expected = [0, 3.75, -6.5];
    next.own.forEach((value, i) => {
      expect(value).toBeCloseTo(expected[i], 5);
    });
    next.control.forEach((value, i) => {
      expect(value).toBeCloseTo(control[i] + expected[i] - own[i], 5);
    });
    expect([...siteControl(control, null).correction]).toEqual([...control]);
  });
});
