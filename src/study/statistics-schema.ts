/**
 * What a study asks of its sites' data before the first round: federated statistics, with the fewest patients and sites
 * that a figure may be told of. Cells are half open; what lies before the first and behind the last has a cell of its own.
 */
import { z } from "zod";

const MOST_BINS = 256;
/** A sum over two patients tells each of them to who knows the other. */
export const LEAST_PATIENTS = 3;

const range = (from: number, to: number, bins: number) => ({
  from: z.number().default(from),
  to: z.number().default(to),
  bins: z.number().int().min(1).max(MOST_BINS).default(bins),
});

export const statisticsSchema = z.strictObject({
  /** A site withholds each figure that fewer of its patients define, or that fewer are left out of. */
  leastPatients: z.number().int().min(LEAST_PATIENTS).default(5),
  /** The coordinator tells no figure that fewer sites make. */
  leastSites: z.number().int().min(1).default(2),
  /** Whether a site withholds single cells of histograms in which fewer than `leastPatients` are. */
  smallCells: z.enum(["withheld", "told"]).default("withheld"),
  /** Histograms of each scan's intensities: as the network sees the brain, or the non-zero voxels of the files. */
  intensities: z
    .strictObject({ of: z.enum(["normalised", "raw"]).default("normalised"), ...range(-4, 6, 50) })
    .optional(),
  /** Sizes of the files' voxels from left to right, front to back and foot to head, in mm. */
  voxelSizes: z.strictObject(range(0, 6, 24)).optional(),
  /** Volume of each region in ml, zero where a case has none of it. */
  volumes: z.strictObject(range(0, 300, 30)).optional(),
  /** In how many cases each class is. */
  labels: z.boolean().default(false),
});

export type StatisticsSpec = z.infer<typeof statisticsSchema>;

/** Where a histogram's cells are. */
export interface CellRange {
  readonly from: number;
  readonly to: number;
  readonly bins: number;
}
