/** Messages between the engine pool and its worker threads. Arrays are transferred, not copied. */
import type { ConsiliumError } from "../base/index.ts";
import type { Study } from "../study/index.ts";
import type { LoweringTable } from "../training/index.ts";
import type { CaseTally } from "./case-tally.ts";
import type { CaseScores, EvaluateRequest, SiteData, TrainRequest, TrainResult, WorkProgress } from "./local-work.ts";

export interface EngineSetup {
  readonly study: Study;
  /** The network as an ONNX file. */
  readonly networkBytes: Uint8Array;
  readonly cacheDir?: string;
  readonly lowerings?: LoweringTable | undefined;
}

export type EngineJob =
  | { readonly kind: "train"; readonly id: number; readonly site: SiteData; readonly request: TrainRequest }
  | { readonly kind: "evaluate"; readonly id: number; readonly site: SiteData; readonly request: EvaluateRequest }
  | { readonly kind: "tally"; readonly id: number; readonly site: SiteData };

/** Another time for the steps of this training, in milliseconds from now. */
export interface EngineDeadline {
  readonly kind: "finish-within";
  readonly id: number;
  readonly ms: number;
}

/** Ends the thread after the step that runs: a thread that is torn down within one takes the process with it. */
export interface EngineStop {
  readonly kind: "stop";
}

export type EngineReply =
  | { readonly kind: "progress"; readonly id: number; readonly progress: WorkProgress }
  | { readonly kind: "trained"; readonly id: number; readonly result: TrainResult }
  | { readonly kind: "evaluated"; readonly id: number; readonly result: readonly CaseScores[] }
  | { readonly kind: "tallied"; readonly id: number; readonly result: readonly CaseTally[] }
  | { readonly kind: "failed"; readonly id: number; readonly error: ReturnType<ConsiliumError["toJSON"]> };
