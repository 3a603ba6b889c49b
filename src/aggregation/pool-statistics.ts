/**
 * Sums of sites' statistics.
 *
 * Invariants: sums are of whole numbers and do not depend on the order of sites; a figure or cell that fewer sites tell
 * than the study's `leastSites` is in no sum; what sites withhold is missing in a sum, and counted beside it.
 */
import { sumBy } from "../base/index.ts";
import {
  type Asking,
  askedFor,
  type Cells,
  type DataStatistics,
  PARTS_OF_UNIT,
  type ScanIntensities,
  type Spread,
} from "./data-statistics.ts";

/** A histogram summed over sites. */
export interface PooledCells {
  readonly sites: number;
  readonly cases: number;
  /** Null where fewer sites than the study's least tell it. */
  readonly cells: Cells;
  /** By cell: sites that withhold it, whose part is missing in it. */
  readonly withheldBy: readonly number[];
}

export interface PooledSpread extends PooledCells {
  /** In mm or ml. */
  readonly mean: number;
}

export interface PooledLabel {
  readonly sites: number;
  readonly cases: number;
  readonly ofCases: number;
}

export interface PooledStatistics {
  /** Sites that told figures. */
  readonly sites: number;
  /** Sites that withheld everything. */
  readonly withheld: number;
  readonly cases: number | null;
  readonly patients: number | null;
  readonly intensities?: Readonly<Record<string, PooledCells | null>>;
  readonly voxelSizes?: Readonly<Record<string, PooledSpread | null>>;
  readonly volumes?: Readonly<Record<string, PooledSpread | null>>;
  readonly labels?: Readonly<Record<string, PooledLabel | null>>;
}

/** Sums over sites; null where fewer than the study's `leastSites` tell a figure. */
export function poolStatistics(study: Asking, told: readonly DataStatistics[]): PooledStatistics {
  const asked = askedFor(study);
  const least = study.statistics?.leastSites ?? 1;
  const sites = told.flatMap(({ cases, patients, ...rest }) =>
    cases === null || patients === null ? [] : [{ cases, patients, ...rest }],
  );
  const enough = sites.length >= least;
  const pool = <F, P>(
    names: readonly string[] | undefined,
    of: (site: Site, name: string) => F | null | undefined,
    sum: (parts: readonly Part<F>[]) => P,
  ) =>
    names &&
    Object.fromEntries(
      names.map((name): [string, P | null] => {
        const parts = sites.flatMap((site): Part<F>[] => {
          const figure = of(site, name);
          return figure === null || figure === undefined ? [] : [{ site, figure }];
        });
        return [name, parts.length >= least ? sum(parts) : null];
      }),
    );
  const intensities = pool(
    asked.intensities,
    (site, scan) => site.intensities?.[scan],
    (parts) =>
      pooledCells(
        parts.map(({ figure }) => figure),
        least,
      ),
  );
  const spreadOf = (parts: readonly Part<Spread>[]): PooledSpread => pooledSpread(parts, least);
  const voxelSizes = pool(asked.voxelSizes, (site, axis) => site.voxelSizes?.[axis], spreadOf);
  const volumes = pool(asked.volumes, (site, region) => site.volumes?.[region], spreadOf);
  const labels = pool(
    asked.labels,
    (site, label) => site.labels?.[label],
    (parts) => ({
      sites: parts.length,
      cases: sumBy(parts, ({ figure }) => figure),
      ofCases: sumBy(parts, ({ site }) => site.cases),
    }),
  );
  return {
    sites: sites.length,
    withheld: told.length - sites.length,
    cases: enough ? sumBy(sites, ({ cases }) => cases) : null,
    patients: enough ? sumBy(sites, ({ patients }) => patients) : null,
    ...(intensities && { intensities }),
    ...(voxelSizes && { voxelSizes }),
    ...(volumes && { volumes }),
    ...(labels && { labels }),
  };
}

type Site = DataStatistics & { readonly cases: number; readonly patients: number };
interface Part<F> {
  readonly site: Site;
  readonly figure: F;
}

function pooledSpread(parts: readonly Part<Spread>[], least: number): PooledSpread {
  const cells = pooledCells(
    parts.map(({ site, figure }) => ({ cases: site.cases, cells: figure.cells })),
    least,
  );
  return { ...cells, mean: sumBy(parts, ({ figure }) => figure.sum) / cells.cases / PARTS_OF_UNIT };
}

function pooledCells(parts: readonly ScanIntensities[], least: number): PooledCells {
  const columns = (parts[0]?.cells ?? []).map((_, cell) =>
    parts.flatMap(({ cells }) => (cells[cell] === null ? [] : [cells[cell]])),
  );
  return {
    sites: parts.length,
    cases: sumBy(parts, ({ cases }) => cases),
    cells: columns.map((counts) => (counts.length >= least ? sumBy(counts, (count) => count) : null)),
    withheldBy: columns.map((counts) => parts.length - counts.length),
  };
}
