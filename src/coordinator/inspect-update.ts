/**
 * An announced update is looked at in full before it counts: its length and the range of every coordinate. Its digest the
 * object store compared when its last byte came; the sum compares it once more. Of a masked update nothing else can be
 * looked at: what it holds shows only in the sum.
 */
import { checkUpdate } from "../aggregation/index.ts";
import { ConsiliumError } from "../base/index.ts";
import type { UpdateReceived } from "./events.ts";
import { isMasked } from "./masked-round.ts";
import type { ObjectStore } from "./object-store.ts";
import type { StudyRecord } from "./records.ts";

/** @throws ConsiliumError `object-missing`, `update-shape`, `update-out-of-range` */
export async function inspectUpdate(store: ObjectStore, study: StudyRecord, event: UpdateReceived): Promise<void> {
  const { siteId, update } = event;
  const { sha256 } = update;
  const upload = await store.openUpload(siteId, sha256);
  if (upload === undefined) {
    throw new ConsiliumError("object-missing", {
      subject: `update of ${siteId} for round ${event.round}`,
      expected: "the whole object before it is announced",
      actual: `none of its ${update.bytes} bytes, or not all`,
      hint: "Send the object first, then announce it.",
    });
  }
  if (isMasked(study)) return;
  const { precisionBits, encoding } = study.study.aggregation;
  await checkUpdate({ siteId, weight: 1, ...upload }, { layoutLength: study.parameterCount, precisionBits, encoding });
}
