/**
 * A hospital's privacy account as its people see and set it: the budget, what is spent of it, by which studies, and
 * what stands beside it. The coordinator has no way to any of this.
 */
import { type Clock, type Sha256, systemClock } from "../base/index.ts";
import {
  checkWithinBudget,
  isLossTold,
  ledgerRounds,
  OUTSIDE_THE_ACCOUNT,
  openPrivacyLedger,
  PRIVACY_LEDGER,
  type PrivacyBudget,
  type PrivacyLedger,
  type PrivacySpent,
  readLedger,
  spentIn,
} from "../privacy/index.ts";
import type { Study } from "../study/index.ts";
import { openSite, readSite } from "./home.ts";
import { readReviews, type StudyReview } from "./reviews.ts";
import type { SiteStore } from "./site-store.ts";

export interface AccountOfStudy {
  readonly studyHash: Sha256;
  /** Null for a study whose offer is no longer kept. */
  readonly name: string | null;
  /** Rounds with noise that were paid for. */
  readonly rounds: number;
  /** What they amount to by themselves; null without a budget, whose delta and accountant would be needed. */
  readonly epsilon: number | null;
  /** Rounds whose update left without noise: no epsilon bounds them. */
  readonly unprotectedRounds: number;
}

export interface PrivacyAccount {
  readonly siteId: string;
  readonly budget: PrivacyBudget | null;
  /** All noisy work together, at the budget's delta and by its accountant. */
  readonly spent: PrivacySpent | null;
  readonly studies: readonly AccountOfStudy[];
  /** What no entry covers, in words. */
  readonly outside: readonly string[];
  /** Lines of the ledger, whose chain was verified. */
  readonly entries: number;
  readonly head: Sha256;
}

/** @throws ConsiliumError `home-invalid`; `journal-corrupt` where the ledger was altered */
export async function privacyAccount(home: string): Promise<PrivacyAccount> {
  const { siteId, store } = await readSite(home);
  const ledger = readLedger(await store.lines(PRIVACY_LEDGER));
  const reviews = await readReviews(store);
  const { budget, entries, head } = ledger;
  return {
    siteId,
    budget: budget ?? null,
    spent: budget === undefined ? null : spentIn(ledger, budget),
    studies: studiesOf(ledger).map((studyHash) => accountOf(studyHash, ledger, reviews)),
    outside: OUTSIDE_THE_ACCOUNT,
    entries,
    head,
  };
}

function studiesOf({ work, unprotected }: PrivacyLedger): Sha256[] {
  return [...new Set([...work, ...unprotected].map(({ studyHash }) => studyHash))];
}

function accountOf(studyHash: Sha256, ledger: PrivacyLedger, reviews: readonly StudyReview[]): AccountOfStudy {
  const work = ledger.work.filter((each) => each.studyHash === studyHash);
  const { budget } = ledger;
  return {
    studyHash,
    name: reviews.find((review) => review.studyHash === studyHash)?.study.name ?? null,
    rounds: work.length,
    epsilon: budget === undefined ? null : spentIn({ ...ledger, work }, budget).epsilon,
    unprotectedRounds: ledger.unprotected.filter((each) => each.studyHash === studyHash).length,
  };
}

/**
 * Sets this hospital's budget for all studies together. No site may run in the home: it would not notice.
 * @throws ConsiliumError `home-invalid`, `home-locked`, `privacy-parameters`
 */
export async function setPrivacyBudget(home: string, budget: PrivacyBudget, clock: Clock = systemClock): Promise<void> {
  const site = await openSite(home);
  try {
    await (await openPrivacyLedger(site.store)).setBudget(budget, clock.nowMs());
  } finally {
    await site.close();
  }
}

/**
 * Whether a whole study fits into what is left of the budget, before anybody approves it. What it has paid already is
 * not asked for again.
 *
 * @throws ConsiliumError `privacy-budget-unset`, `privacy-budget-exceeded`
 */
export async function checkStudyFitsBudget(store: SiteStore, study: Study, studyHash: Sha256): Promise<void> {
  const ledger = readLedger(await store.lines(PRIVACY_LEDGER));
  const subject = `study "${study.name}"`;
  if (isLossTold(study)) {
    if (ledger.budget !== undefined) checkWithinBudget(ledger, { kind: "nonPrivate" }, subject);
    return;
  }
  const paid = ledger.work.filter((work) => work.studyHash === studyHash).length;
  const rest = study.rounds.count - paid;
  const event = rest < 1 ? undefined : ledgerRounds(study, rest);
  if (event !== undefined) checkWithinBudget(ledger, event, subject);
}
