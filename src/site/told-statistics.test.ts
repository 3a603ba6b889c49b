/** What a site tells of its data: sums as numpy has them of pooled files, and nothing that too few patients define. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type DataStatistics, poolStatistics, statisticsProblem } from "../aggregation/index.ts";
import { LIMITS } from "../base/index.ts";
import type { CaseFiles } from "../imaging/index.ts";
import { networkOfStudy } from "../networks/index.ts";
import { type CaseTally, openEnginePool } from "../segmentation/index.ts";
import type { StatisticsSpec, Study } from "../study/index.ts";
import { tinyStudy } from "./testing/test-site.ts";
import { tinyTally } from "./testing/tiny-work.ts";
import { toldStatistics } from "./told-statistics.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "consilium-statistics-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

function specOf({ statistics }: Study): StatisticsSpec {
  if (statistics === undefined) throw new Error("a study with statistics");
  return statistics;
}

interface Vectors {
  readonly asked: object;
  /** Files of each case, by role, in base64. */
  readonly sites: Readonly<Record<string, readonly Readonly<Record<string, string>>[]>>;
  readonly pooled: {
    readonly cases: number;
    readonly intensities: Readonly<Record<string, readonly number[]>>;
    readonly voxelSizes: Readonly<Record<string, { readonly mean: number; readonly cells: readonly number[] }>>;
    readonly volumes: Readonly<Record<string, { readonly mean: number; readonly cells: readonly number[] }>>;
    readonly labels: Readonly<Record<string, number>>;
  };
}

async function written(of: string, files: Readonly<Record<string, string>>): Promise<CaseFiles> {
  const { id, ...roles } = files;
  const at = join(folder, of, id);
  await mkdir(at, { recursive: true });
  const paths: Record<string, string> = {};
  for (const [role, text] of Object.entries(roles)) {
    paths[role] = join(at, `${id}_${role}.nii.gz`);
    await writeFile(paths[role], Buffer.from(text, "base64"));
  }
  const { seg: labelMap, ...images } = paths;
  return { id, subject: id, folder: at, images, labelMap };
}

describe.each(["raw", "normalised"])("sums over three sites with %s intensities", (kind) => {
  it("are what numpy says of the same cases pooled", async () => {
    const text = await readFile(new URL("testdata/data-statistics-vectors.json", import.meta.url), "utf8");
    const { asked, sites, pooled } = (JSON.parse(text) as Record<string, Vectors>)[kind];
    const study = tinyStudy({ statistics: { ...asked, leastPatients: 3, smallCells: "told" } });
    const told: DataStatistics[] = [];
    const pool = openEnginePool({ study, network: networkOfStudy(study), workers: 1 });
    for (const [siteId, files] of Object.entries(sites)) {
      const cases = await Promise.all(files.map((each) => written(`${kind}-${siteId}`, each)));
      const data = {
        siteId,
        convention: "brats2021" as const,
        trainingCases: cases.slice(1),
        validationCases: cases.slice(0, 1),
      };
      const figures = toldStatistics(study, specOf(study), await pool.forSite(data).tally(), cases);
      expect(statisticsProblem(study, figures, cases.length)).toBeUndefined();
      told.push(figures);
    }
    await pool.close();
    const sums = poolStatistics(study, told);
    expect(sums).toMatchObject({ sites: 3, withheld: 0, cases: pooled.cases, patients: pooled.cases });
    for (const [scan, cells] of Object.entries(pooled.intensities)) {
      expect([scan, sums.intensities?.[scan]?.cells]).toEqual([scan, cells]);
    }
    for (const member of ["voxelSizes", "volumes"] as const) {
      for (const [name, { mean, cells }] of Object.entries(pooled[member])) {
        expect([name, sums[member]?.[name]?.cells]).toEqual([name, cells]);
        expect(sums[member]?.[name]?.mean).toBeCloseTo(mean, 9);
      }
    }
    for (const [label, cases] of Object.entries(pooled.labels)) {
      // Of a site where one or two have or lack it nobody hears; numpy knows no such rule.
      const bySite = Object.values(told).map(({ labels }) => labels?.[label] ?? null);
      if (!bySite.includes(null)) expect(sums.labels?.[label]).toEqual({ sites: 3, cases, ofCases: pooled.cases });
    }
    expect(Object.values(sums.labels ?? {}).filter((label) => label !== null).length).toBeGreaterThan(0);
  });
});

const ALL = { intensities: { bins: 8 }, voxelSizes: {}, volumes: { bins: 6 }, labels: true };

function studyWith(changes: object): Study {
  return tinyStudy({ statistics: { ...ALL, leastPatients: 3, ...changes } });
}

function casesOf(patients: readonly string[]): { readonly id: string; readonly subject: string }[] {
  return patients.map((subject, i) => ({ id: `case-${i}`, subject }));
}

const patientsOfSite = fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 1, maxLength: 25 });

describe("told statistics", () => {
  it("are always ones that the coordinator can believe", () => {
    fc.assert(
      fc.property(
        patientsOfSite,
        fc.constantFrom("withheld", "told"),
        fc.integer({ min: 3, max: 6 }),
        (who, smallCells, leastPatients) => {
          const study = studyWith({ smallCells, leastPatients });
          const cases = casesOf(who.map((patient) => `patient-${patient}`));
          const tallies = cases.map(({ id }) => tinyTally(study, id));
          const told = toldStatistics(study, specOf(study), tallies, cases);
          expect(statisticsProblem(study, told, cases.length)).toBeUndefined();
          expect(told.cases === null).toBe(new Set(who).size < leastPatients);
        },
      ),
    );
  });

  it("of sites add up to those of all cases in one place, where nothing is withheld", () => {
    fc.assert(
      fc.property(fc.array(patientsOfSite, { minLength: 2, maxLength: 4 }), (sites) => {
        const study = studyWith({ smallCells: "told", leastSites: 1 });
        const told = (name: string, who: readonly string[]): DataStatistics => {
          const cases = casesOf(who).map(({ id, subject }) => ({ id: `${name}-${id}`, subject }));
          const tallies = cases.map(({ id }) => tinyTally(study, id));
          return toldStatistics(study, { ...specOf(study), leastPatients: 1 }, tallies, cases);
        };
        const lists = sites.map((who, s) => who.map((patient) => `${s}-${patient}`));
        const pooled = poolStatistics(
          study,
          lists.map((who, s) => told(`s${s}`, who)),
        );
        const spec = { ...specOf(study), leastPatients: 1 };
        const cases = lists.flatMap((who, s) =>
          casesOf(who).map(({ id, subject }) => ({ id: `s${s}-${id}`, subject })),
        );
        const one = toldStatistics(
          study,
          spec,
          cases.map(({ id }) => tinyTally(study, id)),
          cases,
        );
        expect(pooled).toMatchObject({ sites: sites.length, ...poolOfOne(study, one) });
      }),
    );
  });
});

/** Everything but how many sites there are. */
function poolOfOne(study: Study, figures: DataStatistics): object {
  const { sites: _, ...sums } = poolStatistics(study, [figures]);
  return JSON.parse(
    JSON.stringify(sums, (key, value: unknown) => (["sites", "withheldBy"].includes(key) ? undefined : value)),
  ) as object;
}

describe("the least number of patients", () => {
  const study = studyWith({ voxelSizes: undefined, intensities: undefined, volumes: { from: 0, to: 40, bins: 4 } });
  const spec = specOf(study);
  /** Volumes of WT in ml, one case a patient unless its name says otherwise. */
  function ofVolumes(ml: readonly number[], { labels = [], names }: { labels?: string[][]; names?: string[] } = {}) {
    const cases = casesOf(names ?? ml.map((_, i) => `p${i}`));
    const tallies = ml.map((volume, i): CaseTally => {
      const mm3 = 1000 * volume;
      const volumes = { WT: mm3, TC: 0, ET: 0 };
      return { caseId: cases[i].id, intensities: {}, voxelSizes: {}, volumes, labels: labels[i] ?? [] };
    });
    return toldStatistics(study, spec, tallies, cases);
  }

  it("withholds everything of two patients, and of three cases of two; of three patients it does not (control)", () => {
    const nothing = { cases: null, patients: null };
    expect(ofVolumes([5, 5])).toEqual(nothing);
    expect(ofVolumes([5, 5, 5], { names: ["p", "q", "q"] })).toEqual(nothing);
    expect(ofVolumes([5, 5, 5])).toMatchObject({ cases: 3, patients: 3, volumes: { WT: { sum: 15_000 } } });
  });

  it("withholds small cells, and the next smallest where one alone would be known by the rest", () => {
    // Cells: below 0 | 0 to 10 | 10 to 20 | 20 to 30 | 30 to 40 | 40 and above.
    const ml = [1, 2, 3, 4, 11, 12, 13, 35];
    expect(ofVolumes(ml).volumes?.WT.cells).toEqual([0, 4, null, 0, null, 0]);
    expect(ofVolumes([...ml, 36, 37]).volumes?.WT.cells).toEqual([0, 4, 3, 0, 3, 0]);
    // Three cells of one patient each hide each other, and nothing else has to.
    expect(ofVolumes([1, 2, 3, 11, 25, 35]).volumes?.WT.cells).toEqual([0, 3, null, null, null, 0]);
  });

  it("withholds a count where few have a class, and where few lack it", () => {
    const has = (many: number) => Array.from({ length: 8 }, (_, i) => (i < many ? ["oedema"] : []));
    const count = (many: number) => ofVolumes(Array(8).fill(1), { labels: has(many) }).labels?.oedema;
    expect([0, 1, 2, 3, 5, 6, 7, 8].map(count)).toEqual([0, null, null, 3, 5, null, null, 8]);
  });

  it("takes moments at a site of as many cases as may be", () => {
    const labels = ["necroticCore", "oedema", "enhancingTumour"];
    const asked = tinyStudy({ statistics: { labels: true, leastPatients: 3 } });
    const cases = casesOf(Array.from({ length: LIMITS.casesPerDataset }, (_, i) => `p${i}`));
    const tallies = cases.map(({ id }, i): CaseTally => {
      return {
        caseId: id,
        intensities: {},
        voxelSizes: { x: 0, y: 0, z: 0 },
        volumes: {},
        labels: i % 2 ? [] : labels,
      };
    });
    const half = LIMITS.casesPerDataset / 2;
    const told = toldStatistics(asked, specOf(asked), tallies, cases);
    expect(told.labels).toEqual(Object.fromEntries(labels.map((label) => [label, half])));
  });

  it("withholds a scan's histogram where few patients lack the scan", () => {
    const asked = tinyStudy({ statistics: { intensities: { bins: 2 }, leastPatients: 3 } });
    const cases = casesOf(["a", "b", "c", "d", "e", "f"]);
    const lacking = (few: number) =>
      toldStatistics(
        asked,
        specOf(asked),
        cases.map(({ id }, i) => {
          const { t2, ...others } = tinyTally(asked, id).intensities;
          return { ...tinyTally(asked, id), intensities: i < few ? others : { ...others, t2 } };
        }),
        cases,
      ).intensities?.t2;
    expect([0, 1, 2, 3].map((few) => lacking(few)?.cases ?? null)).toEqual([6, null, null, 3]);
  });
});
