/** Figures of sites' data: where values fall, what cannot be true, and sums that too few sites make. */
import { describe, expect, it } from "vitest";
import { parseStudy } from "../study/index.ts";
import { cellOf, cellStart, type DataStatistics, statisticsProblem } from "./data-statistics.ts";
import { poolStatistics } from "./pool-statistics.ts";

function studyWith(changes: object = {}) {
  return parseStudy({
    schema: "consilium.study/1",
    name: "statistics",
    task: { channels: ["t1"], regions: { WT: [1, 2, 3] } },
    network: { kind: "unet3d", levels: 2 },
    training: { optimiser: { kind: "sgd", learningRate: 0.01 }, patch: [16, 16, 16], stepsPerRound: 2 },
    rounds: { count: 1 },
    statistics: {
      leastPatients: 5,
      intensities: { from: 0, to: 2, bins: 2 },
      voxelSizes: { from: 0, to: 4, bins: 2 },
      volumes: { from: 0, to: 20, bins: 2 },
      labels: true,
      ...changes,
    },
  });
}

const size = { sum: 11_000, cells: [0, 11, 0, 0] };
/** Of eleven patients: six with 1 ml and five with 15 ml of tumour. */
const HONEST: DataStatistics = {
  cases: 11,
  patients: 11,
  intensities: { t1: { cases: 11, cells: [0, 700, 40, 9] } },
  voxelSizes: { x: size, y: size, z: size },
  volumes: { WT: { sum: 81_000, cells: [0, 6, 5, 0] } },
  labels: { necroticCore: 6, oedema: 11, enhancingTumour: 0 },
};

describe("cells", () => {
  it("hold their lower end and not their upper one, with one before and one behind", () => {
    const range = { from: -1, to: 1, bins: 4 };
    expect([-1.01, -1, -0.51, -0.5, 0, 0.99, 1, 7].map((value) => cellOf(value, range))).toEqual([
      0, 1, 1, 2, 3, 4, 5, 5,
    ]);
    expect([1, 2, 5].map((cell) => cellStart(cell, range))).toEqual([-1, -0.5, 1]);
  });
});

describe("a site's figures", () => {
  it("are believed where they fit together (control), withheld ones too", () => {
    expect(statisticsProblem(studyWith(), HONEST, 11)).toBeUndefined();
    expect(statisticsProblem(studyWith(), { cases: null, patients: null }, 3)).toBeUndefined();
    const full = { t1: { cases: 11, cells: [0, 11 * 2 ** 31 - 9, 9, 0] } };
    expect(statisticsProblem(studyWith(), { ...HONEST, intensities: full }, 11)).toBeUndefined();
    const large = { WT: { sum: 2 ** 43 - 1, cells: [0, 0, 0, 11] } };
    expect(statisticsProblem(studyWith(), { ...HONEST, volumes: large }, 11)).toBeUndefined();
    const hidden = { ...HONEST, volumes: { WT: { sum: 81_000, cells: [0, null, null, 0] } } };
    expect(statisticsProblem(studyWith(), hidden, 11)).toBeUndefined();
  });

  const volumes = (cells: (number | null)[], sum = 81_000): Partial<DataStatistics> => ({
    volumes: { WT: { sum, cells } },
  });
  it.each<[string, { readonly [member in keyof DataStatistics]?: unknown }]>([
    ["more cases than the site has", { cases: 12, patients: 12 }],
    ["more patients than cases", { patients: 12 }],
    ["fewer patients than the least", { patients: 4 }],
    ["figures beside withheld cases", { cases: null, patients: null }],
    ["cases without patients", { patients: null }],
    ["another region", { volumes: { XX: HONEST.volumes?.WT ?? size } }],
    ["a missing figure", { labels: undefined }],
    ["another number of cells", volumes([0, 6, 5])],
    ["cells of more cases than there are", volumes([0, 6, 6, 0])],
    ["cells of fewer", volumes([0, 6, 0, 0])],
    ["a small cell", volumes([0, 7, 4, 0])],
    ["one withheld cell that the others tell", volumes([0, 8, null, 0])],
    ["a volume above its cells", volumes([0, 6, 5, 0], 161_000)],
    ["a volume below its cells", volumes([0, 6, 5, 0], 49_000)],
    ["a class that all but one have", { labels: { necroticCore: 10, oedema: 11, enhancingTumour: 0 } }],
    ["a class that more have than there are", { labels: { necroticCore: 12, oedema: 11, enhancingTumour: 0 } }],
    ["voxels of a scan that no case has", { intensities: { t1: { cases: 0, cells: [0, 700, 40, 9] } } }],
    ["classes whose names are those of two in one", { labels: { enhancingTumour: 0, "necroticCore, oedema": 6 } }],
    ["more voxels than its cases can hold", { intensities: { t1: { cases: 11, cells: [0, 11 * 2 ** 31 - 8, 9, 0] } } }],
    ["a sum that others cannot be added to", volumes([0, 0, 0, 11], 2 ** 43)],
    ["no voxel of a scan that all have", { intensities: { t1: { cases: 11, cells: [0, 0, 0, 0] } } }],
  ])("are refused with %s", (_, lie) => {
    const told = JSON.parse(JSON.stringify({ ...HONEST, ...lie })) as DataStatistics;
    expect(statisticsProblem(studyWith(), told, 11)).toBeDefined();
  });

  it("are refused by a study that asks for none", () => {
    const { statistics: _, ...none } = studyWith();
    expect(statisticsProblem(none, HONEST)).toBeDefined();
  });
});

describe("sums", () => {
  it("hold no figure and no cell of fewer sites than the least", () => {
    const study = studyWith({ leastSites: 2 });
    const alone = poolStatistics(study, [HONEST, { cases: null, patients: null }]);
    expect(alone).toMatchObject({ sites: 1, withheld: 1, cases: null, patients: null });
    expect([alone.intensities?.t1, alone.voxelSizes?.x, alone.volumes?.WT, alone.labels?.oedema]).toEqual(
      Array(4).fill(null),
    );
    const other: DataStatistics = {
      ...HONEST,
      intensities: { t1: null },
      volumes: { WT: { sum: 31_000, cells: [0, null, null, 0] } },
    };
    const both = poolStatistics(study, [HONEST, other]);
    expect(both).toMatchObject({ sites: 2, cases: 22, labels: { necroticCore: { sites: 2, cases: 12, ofCases: 22 } } });
    expect(both.intensities?.t1).toBeNull();
    expect(both.volumes?.WT).toMatchObject({ cells: [0, null, null, 0], withheldBy: [0, 1, 1, 0] });
    expect(both.volumes?.WT?.mean).toBeCloseTo(112 / 22, 12);
    const three = poolStatistics(study, [HONEST, other, HONEST]);
    expect(three.intensities?.t1).toMatchObject({ sites: 2, cases: 22, cells: [0, 1400, 80, 18] });
    expect(three.volumes?.WT).toMatchObject({ cells: [0, 12, 10, 0], withheldBy: [0, 1, 1, 0] });
  });
});
