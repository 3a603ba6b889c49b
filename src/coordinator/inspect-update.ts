/** An announced update is read in full before it counts: its length, its digest, the range of every coordinate. */
import { checkUpdate } from "../aggregation/index.ts";
import { ConsiliumError } from "../base/index.ts";
import { piecesOf } from "./aggregate.ts";
import type { UpdateReceived } from "./events.ts";
import type { ObjectStore } from "./object-store.ts";
import type { StudyRecord } from "./records.ts";

/** @throws ConsiliumError `object-missing`, `update-shape`, `update-out-of-range`, `object-corrupt` */
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
  await checkUpdate(
    { siteId, weight: 1, bytes: upload.bytes, sha256, chunks: (start, end) => piecesOf(start, end, upload.read) },
    { layoutLength: study.parameterCount, precisionBits: study.study.aggregation.precisionBits },
  );
}
