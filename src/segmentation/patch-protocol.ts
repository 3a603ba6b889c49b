/** Messages between a patch queue and its worker thread. Arrays are transferred, not copied. */
import type { ConsiliumError } from "../base/index.ts";
import type { Study } from "../study/index.ts";
import type { PatchBatch, PatchRequest } from "./draw-batches.ts";
import type { SiteData } from "./local-work.ts";

export interface PatchSetup {
  readonly study: Study;
  readonly cacheDir?: string;
}

export type PatchOrder =
  | { readonly kind: "start"; readonly id: number; readonly site: SiteData; readonly request: PatchRequest }
  /** Room for the batches of one more step. */
  | { readonly kind: "room"; readonly id: number; readonly batches: readonly PatchBatch[] };

export type PreparedStep =
  | { readonly kind: "prepared"; readonly id: number; readonly step: number; readonly batches: PatchBatch[] }
  | { readonly kind: "failed"; readonly id: number; readonly error: ReturnType<ConsiliumError["toJSON"]> };
