/** Where a site stands, read from its home without disturbing whoever works in it. */
import type { Sha256 } from "../base/index.ts";
import { readCertificate } from "../protocol/index.ts";
import { type Membership, readSite } from "./home.ts";
import { isLocked } from "./home-lock.ts";
import { type JournalHead, readHead } from "./journal-heads.ts";
import { readReviews } from "./reviews.ts";
import { readRegisteredData, trainingCases, validationCases } from "./site-data.ts";
import { departuresIn, readSiteLogOf, type SiteLogEntry } from "./site-log.ts";
import { readNews, type ToldChange } from "./study-news.ts";
import { type MadeEvaluation, readEnd, readEvaluation, readRound, type StudyEnd } from "./study-progress.ts";
import { type Comparison, readComparisons } from "./summed-figures.ts";

export interface SiteStudyStatus {
  readonly studyHash: Sha256;
  readonly name: string;
  readonly decision: "awaited" | "approved" | "refused";
  /** The round that this site trained or trains; undefined before its first. */
  readonly round?: number;
  /** Whether that round's update is made. */
  readonly updateMade?: boolean;
  readonly evaluation?: MadeEvaluation;
  /** With `metrics: summed`: this site beside all others together, the latest. */
  readonly comparison?: Comparison;
  readonly end?: StudyEnd;
  /** Whether the study lead has paused it, and what was changed while it runs. */
  readonly paused: boolean;
  readonly changes: readonly ToldChange[];
}

export interface SiteStatus {
  readonly siteId: string;
  readonly membership: Membership;
  /** A site at work renews its certificate long before; one that ran out is renewed when the site starts. */
  readonly certificateExpiresMs: number;
  /** Whether a process works in the home now. */
  readonly running: boolean;
  readonly data?: { readonly training: number; readonly validation: number; readonly excluded: number };
  readonly studies: readonly SiteStudyStatus[];
  /** The last record of the coordinator's journal that this site was told, for `coordinator verify --head`. */
  readonly journalHead?: JournalHead;
  readonly left: { readonly entries: number; readonly bytes: number };
}

/** @throws ConsiliumError `home-invalid`; `journal-corrupt` where the site's log was altered */
export async function siteStatus(home: string): Promise<SiteStatus> {
  const { siteId, membership, store, certificatePem } = await readSite(home);
  const data = await readRegisteredData(store);
  const log = await readSiteLogOf(store);
  const journalHead = await readHead(store);
  const studies: SiteStudyStatus[] = [];
  for (const { studyHash, study, decision } of await readReviews(store)) {
    const round = await readRound(store, studyHash);
    const evaluation = await readEvaluation(store, studyHash);
    const end = await readEnd(store, studyHash);
    const { paused, changes } = await readNews(store, studyHash);
    const comparison = (await readComparisons(store, studyHash)).at(-1);
    studies.push({
      studyHash,
      name: study.name,
      decision: decision === undefined ? "awaited" : decision.approved ? "approved" : "refused",
      ...(round && { round: round.round, updateMade: round.update !== undefined }),
      ...(evaluation && { evaluation }),
      ...(comparison && { comparison }),
      ...(end && { end }),
      paused: paused && end === undefined,
      changes,
    });
  }
  return {
    siteId,
    membership,
    certificateExpiresMs: readCertificate(certificatePem).notAfterMs,
    running: await isLocked(home),
    ...(data && {
      data: {
        training: trainingCases(data).length,
        validation: validationCases(data).length,
        excluded: data.excluded.length,
      },
    }),
    studies,
    ...(journalHead && { journalHead }),
    left: { entries: departuresIn(log), bytes: log.reduce((sum, { bytes }) => sum + bytes, 0) },
  };
}

/** What left this site, oldest first, its chain verified. @throws ConsiliumError `home-invalid`, `journal-corrupt` */
export async function readSiteLog(home: string): Promise<SiteLogEntry[]> {
  return readSiteLogOf((await readSite(home)).store);
}
