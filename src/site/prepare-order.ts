/** What must hold before any work of a study runs at a site, and the engine that it runs on. */
import { ConsiliumError, type Sha256 } from "../base/index.ts";
import type { LocalWork, SiteData } from "../segmentation/index.ts";
import type { Study } from "../study/index.ts";
import { approvedReview } from "./reviews.ts";
import { type Shift, untilReached } from "./shift.ts";
import { checkPatchFitsData, dataOfStudy } from "./site-data.ts";

export interface PreparedOrder {
  readonly study: Study;
  readonly data: SiteData;
  readonly networkBytes: number;
}

/** @throws ConsiliumError `study-not-approved` before anything else is looked at; `dataset-empty`, `patch-too-large` */
export async function prepareOrder({ site }: Shift, studyHash: Sha256): Promise<PreparedOrder> {
  const { study, networkBytes } = await approvedReview(site.store, studyHash);
  const { cases, smallestExtentMm } = await dataOfStudy(site.store, site.siteId, studyHash, study);
  checkPatchFitsData(study, smallestExtentMm);
  return { study, data: cases, networkBytes };
}

export async function openEngineFor(shift: Shift, studyHash: Sha256, order: PreparedOrder): Promise<LocalWork> {
  const { study, data } = order;
  const networkFile = await networkFileOf(shift, studyHash, order);
  return shift.engine.for(studyHash, { study, data, ...(networkFile !== undefined && { networkFile }) });
}

/**
 * The study's ONNX model as a file of this home, brought here if it is not; undefined where its network is no file.
 * @throws ConsiliumError `study-invalid` where the study does not tell which file.
 */
export async function networkFileOf(
  shift: Shift,
  studyHash: Sha256,
  order: Pick<PreparedOrder, "study" | "networkBytes">,
): Promise<string | undefined> {
  const { network } = order.study;
  if (network.kind !== "onnx") return undefined;
  const { sha256 } = network;
  if (sha256 === undefined || order.networkBytes === 0) {
    throw new ConsiliumError("study-invalid", {
      subject: `study ${studyHash.slice(0, 12)}, network`,
      expected: "the SHA-256 and the size of its ONNX model",
      actual: "less",
      hint: "Ask the study lead to submit the study again.",
    });
  }
  const { signal, out, site } = shift;
  await untilReached(shift, () => out.fetch({ sha256, studyHash, round: 0, signal }, order.networkBytes));
  return site.store.objectPath(sha256);
}
