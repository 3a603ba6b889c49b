/** What a site at work tells its operator. Events stay on the machine; what leaves is in the site's log. */
import type { ConsiliumError, Sha256 } from "../base/index.ts";
import type { ToldChange } from "./study-news.ts";
import type { MadeEvaluation, MadeUpdate } from "./study-progress.ts";
import type { Comparison } from "./summed-figures.ts";

export type SiteEvent =
  /** Before anything else: the site speaks by sealed calls, through a proxy that ends TLS, as it chose. */
  | { readonly kind: "mutual-tls-off"; readonly address: string }
  | { readonly kind: "waiting"; readonly reason: string; readonly retryAfterMs: number }
  /** The reviewer is asked; work begins after `approveStudy`. */
  | { readonly kind: "review"; readonly studyHash: Sha256; readonly name: string }
  | { readonly kind: "approval-sent"; readonly studyHash: Sha256; readonly approved: boolean }
  | {
      readonly kind: "training";
      readonly studyHash: Sha256;
      readonly round: number;
      readonly attempt: number;
      readonly steps: number;
    }
  /** A finished update of an earlier run is sent again. */
  | { readonly kind: "resuming"; readonly studyHash: Sha256; readonly round: number }
  | {
      readonly kind: "progress";
      readonly activity: "surveying" | "training" | "evaluating";
      readonly round: number;
      readonly done: number;
      readonly total: number;
      readonly loss?: number;
    }
  | {
      readonly kind: "update-sent";
      readonly studyHash: Sha256;
      readonly round: number;
      readonly bytes: number;
      readonly sha256: Sha256;
      readonly clippedCoordinates: number;
      readonly meanLoss: number | null;
    }
  | {
      readonly kind: "evaluated";
      readonly studyHash: Sha256;
      readonly round: number;
      readonly cases: number;
      readonly regions: MadeEvaluation["regions"];
    }
  /** A cell of a cross-site matrix: a site's own model, measured here. */
  | {
      readonly kind: "evaluated-other";
      readonly studyHash: Sha256;
      readonly round: number;
      readonly ofSite: string;
      readonly cases: number;
      readonly regions: MadeEvaluation["regions"];
    }
  /** Statistics of the site's data; null where all of them are withheld. */
  | { readonly kind: "statistics-sent"; readonly studyHash: Sha256; readonly cases: number | null }
  /** What a study that ended left here was erased: updates, moments, prepared cases; its models stay. */
  | { readonly kind: "erased"; readonly studyHash: Sha256; readonly files: number; readonly bytes: number }
  /** The site's own model after training, beside the one that its training began from. */
  | ({
      readonly kind: "evaluated-own";
      readonly studyHash: Sha256;
      readonly round: number;
    } & NonNullable<MadeUpdate["local"]>)
  /** The site's own model could not be scored: its update leaves without these scores. */
  | {
      readonly kind: "own-not-evaluated";
      readonly studyHash: Sha256;
      readonly round: number;
      readonly error: ConsiliumError;
    }
  /** The study lead changed the study while it runs: a pause, a resumption, other rules for its rounds. */
  | { readonly kind: "study-changed"; readonly studyHash: Sha256; readonly change: ToldChange }
  /** What the last masked sum says of this site beside all others together: for its own people. */
  | ({ readonly kind: "compared"; readonly studyHash: Sha256 } & Comparison)
  /** The site's certificate was renewed, for the same key. */
  | { readonly kind: "certificate-renewed"; readonly expiresMs: number }
  /** The coordinator's clock less this machine's is more than LIMITS.clockOffsetToldMs. */
  | { readonly kind: "clock-differs"; readonly offsetMs: number }
  | { readonly kind: "withdrawn"; readonly round: number }
  /** The coordinator did not accept a message. */
  | { readonly kind: "not-accepted"; readonly what: string; readonly outcome: string; readonly error: ConsiliumError }
  | { readonly kind: "failure"; readonly round: number; readonly times: number; readonly error: ConsiliumError }
  | {
      readonly kind: "unreachable";
      readonly attempt: number;
      readonly retryInMs: number;
      readonly error: ConsiliumError;
    }
  | {
      readonly kind: "done";
      readonly studyHash: Sha256;
      readonly finalSha256: Sha256;
      readonly bestSha256: Sha256;
      readonly bestRound: number;
    }
  | { readonly kind: "failed"; readonly studyHash: Sha256; readonly reason: string };
