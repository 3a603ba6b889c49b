/** An announced update is read in full before it counts: its length, its digest, the range of every coordinate. */
import { createHash } from "node:crypto";
import { checkUpdate } from "../aggregation/index.ts";
import { ConsiliumError, type Sha256 } from "../base/index.ts";
import { piecesOf } from "./aggregate.ts";
import type { UpdateReceived } from "./events.ts";
import { isMasked } from "./masked-round.ts";
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
  if (isMasked(study)) return checkDigest(siteId, sha256, piecesOf(0, upload.bytes, upload.read));
  const { precisionBits, encoding } = study.study.aggregation;
  await checkUpdate(
    { siteId, weight: 1, bytes: upload.bytes, sha256, chunks: (start, end) => piecesOf(start, end, upload.read) },
    { layoutLength: study.parameterCount, precisionBits, encoding },
  );
}

/** Of a masked update nothing but its digest can be looked at: what it holds shows only in the sum. */
async function checkDigest(siteId: string, wanted: Sha256, pieces: AsyncIterable<Uint8Array>): Promise<void> {
  const hash = createHash("sha256");
  for await (const piece of pieces) hash.update(piece);
  const actual = hash.digest("hex");
  if (actual === wanted) return;
  throw new ConsiliumError("object-corrupt", {
    subject: `masked update of ${siteId}`,
    expected: `SHA-256 ${wanted}`,
    actual,
    hint: "Send it again.",
  });
}
