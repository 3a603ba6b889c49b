/** A federation's training as it went, whoever ran it: in one process or as many. */
import type { MatrixStatus, StatisticsStatus } from "../coordinator/index.ts";
import type { Parameters } from "../graph/index.ts";
import type { ModelSigner, RegionMeans, SiteData } from "../segmentation/index.ts";
import type { RoundFigures, SiteTraffic } from "./report.ts";

export interface SiteOfRun {
  readonly id: string;
  readonly data: SiteData;
  readonly cases: { readonly train: number; readonly validation: number };
  /** Gradient steps in each round, the first one first; none where it took no part. */
  readonly steps: readonly number[];
  /** The chosen model on the site's own validation cases; null where these are too few. */
  readonly dice: RegionMeans | null;
  readonly hd95: RegionMeans | null;
  /** With local running statistics: the site's own for the chosen model; undefined where it trained nothing. */
  readonly runningStatistics?: Float32Array;
}

export interface FederatedRun {
  /** The model that the study ends with: its best by validation, or its last where no site could validate. */
  readonly model: Parameters;
  readonly modelRound: number;
  readonly studyHash: string;
  readonly sites: readonly SiteOfRun[];
  readonly rounds: readonly RoundFigures[];
  readonly statistics: StatisticsStatus | null;
  /** Cross-site matrices that the study asked for. */
  readonly matrices: readonly MatrixStatus[];
  readonly traffic: readonly SiteTraffic[];
  readonly gradientSteps: number;
  /** The coordinator, which vouches for the model. */
  readonly signer: ModelSigner;
}
