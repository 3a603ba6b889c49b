/**
 * What the study lead changed while a study runs, as this site was told: kept in its home under `study/<hash>/news`, so
 * that its operator sees it after any restart.
 *
 * Invariants: every change is told to the operator once; what was changed never widens what the reviewer approved, for
 * the study itself stays as it was signed.
 */
import { z } from "zod";
import { isSha256, LIMITS, type Sha256 } from "../base/index.ts";
import type { Directive } from "../protocol/index.ts";
import { parseDocument } from "./home.ts";
import type { SiteStore } from "./site-store.ts";

const changeSchema = z.strictObject({
  number: z.number().int().min(1),
  kind: z.string().max(64),
  reason: z.string().max(LIMITS.reasonChars),
  atMs: z.number().int(),
  deadlineS: z.number().optional(),
  quorum: z.string().max(16).optional(),
  rounds: z.number().int().optional(),
});
const newsSchema = z.strictObject({ paused: z.boolean(), changes: z.array(changeSchema) });

/** One live change, with its number from 1; `kind` is `paused`, `resumed` or `changed`. */
export type ToldChange = z.infer<typeof changeSchema>;
export type StudyNews = z.infer<typeof newsSchema>;

const NONE: StudyNews = { paused: false, changes: [] };

export async function readNews(store: SiteStore, studyHash: Sha256): Promise<StudyNews> {
  const value = await store.read(`study/${studyHash}/news`);
  return value === undefined ? NONE : parseDocument(newsSchema, value, `study/${studyHash}/news.json`);
}

/** What the operator hears. */
interface ToldOfChange {
  readonly kind: "study-changed";
  readonly studyHash: Sha256;
  readonly change: ToldChange;
}

interface Listener {
  readonly site: { readonly store: SiteStore };
  readonly emit: (event: ToldOfChange) => Promise<void>;
}

/** Keeps and tells the changes that a directive brings and this site has not heard of. */
export async function hearNews({ site, emit }: Listener, { news }: Directive): Promise<void> {
  if (news === undefined || !isSha256(news.studyHash)) return;
  const { studyHash, paused } = news;
  const known = await readNews(site.store, studyHash);
  const last = known.changes.at(-1)?.number ?? 0;
  const fresh = news.changes.filter(({ number }) => number > last).map(toldChange);
  if (fresh.length === 0 && paused === known.paused) return;
  const changes = [...known.changes, ...fresh].slice(-LIMITS.liveChangesPerStudy);
  await site.store.write(`study/${studyHash}/news`, { paused, changes });
  for (const change of fresh) await emit({ kind: "study-changed", studyHash, change });
}

/** @throws what the schema refuses: an answer of the coordinator that is no answer of this version */
function toldChange({ number, kind, reason, atMs, deadlineS, quorum, rounds }: ChangeMessage): ToldChange {
  return parseDocument(
    changeSchema,
    {
      number,
      kind,
      reason,
      atMs: Number(atMs),
      ...(deadlineS !== undefined && { deadlineS }),
      ...(quorum !== undefined && { quorum }),
      ...(rounds !== undefined && { rounds }),
    },
    "the coordinator's news of the study",
  );
}

type ChangeMessage = NonNullable<Directive["news"]>["changes"][number];

/** Whether an order is for a site that has begun it already, and not for one that has not. */
export function isHeld({ kind, news }: Directive): boolean {
  if (!news?.paused) return false;
  return (
    kind.case === "survey" ||
    kind.case === "train" ||
    kind.case === "evaluate" ||
    kind.case === "crossEvaluate" ||
    (kind.case === "masking" && ["keys", "shares"].includes(kind.value.step))
  );
}
