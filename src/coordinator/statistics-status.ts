/** What sites told of their data, summed, for people and programs: a list of classes and a list of histograms. */
import {
  AXES,
  cellCount,
  cellStart,
  type PooledCells,
  type PooledLabel,
  poolStatistics,
} from "../aggregation/index.ts";
import { type CellRange, orderedRegions, type StatisticsSpec } from "../study/index.ts";
import type { LeftOut, StudyRecord } from "./records.ts";

export interface StatisticsStatus {
  readonly asked: StatisticsSpec;
  /** Sites that told figures, and sites that withheld all of them. */
  readonly sites: number;
  readonly withheld: number;
  /** Null where fewer sites than `leastSites` told figures. */
  readonly cases: number | null;
  readonly patients: number | null;
  readonly leftOut: readonly LeftOut[];
  readonly labels: readonly { readonly label: string; readonly told: PooledLabel | null }[];
  readonly histograms: readonly HistogramStatus[];
}

export interface HistogramStatus {
  readonly of: "intensities" | "voxelSizes" | "volumes";
  /** a scan, an axis in words, or a region. */
  readonly name: string;
  readonly unit: "" | "mm" | "ml";
  readonly range: CellRange;
  /** Where each cell begins; null of the first, which holds what lies below the range. */
  readonly starts: readonly (number | null)[];
  /** Cells hold voxels of intensities, else cases; null where fewer sites than `leastSites` told the figure. */
  readonly told: (PooledCells & { readonly mean: number | null }) | null;
}

const AXES_IN_WORDS = { x: "left to right", y: "front to back", z: "foot to head" };

/** Null where the study asks for none, or its sites were not all asked yet. */
export function statisticsStatus({ study, statistics }: StudyRecord): StatisticsStatus | null {
  const asked = study.statistics;
  if (statistics === undefined || asked === undefined) return null;
  const { intensities, voxelSizes, volumes, labels, ...sums } = poolStatistics(
    study,
    Object.values(statistics.sites).map(({ figures }) => figures),
  );
  const { channels, labels: classes } = study.task;
  const list = (
    of: HistogramStatus["of"],
    unit: HistogramStatus["unit"],
    names: readonly string[],
    figures: Readonly<Record<string, (PooledCells & { readonly mean?: number }) | null>> | undefined,
    inWords: Readonly<Record<string, string>> = {},
  ): HistogramStatus[] => {
    const range = asked[of];
    if (range === undefined) return [];
    const { from, to, bins } = range;
    const starts = Array.from({ length: cellCount(range) }, (_, cell) =>
      cell === 0 ? null : Number(cellStart(cell, range).toPrecision(6)),
    );
    return names.map((name) => {
      const told = figures?.[name];
      return {
        of,
        name: inWords[name] ?? name,
        unit,
        range: { from, to, bins },
        starts,
        told: told ? { mean: null, ...told } : null,
      };
    });
  };
  return {
    asked,
    ...sums,
    leftOut: statistics.leftOut,
    labels: asked.labels ? classes.slice(1).map((label) => ({ label, told: labels?.[label] ?? null })) : [],
    histograms: [
      ...list("intensities", "", channels, intensities),
      ...list("voxelSizes", "mm", AXES, voxelSizes, AXES_IN_WORDS),
      ...list("volumes", "ml", Object.keys(orderedRegions(study)), volumes),
    ],
  };
}
