export { type ActivityRecorder, readActivity, recordActivity, type SiteActivity } from "./activity.ts";
export {
  type DraftOptions,
  draftCases,
  type OpenReview,
  openReview,
  type ReturnOptions,
  readReview,
  returnCase,
} from "./case-review/review-folder.ts";
export { type ReviewOverview, reviewOverview } from "./case-review/review-overview.ts";
export type { Change, Review, ReviewState } from "./case-review/review-state.ts";
export { type DataCheck, type KeptCase, readDataCheck } from "./data-check.ts";
export { casesOf, type SplitRecord, splitBySubject } from "./data-split.ts";
export { type Examination, type ExamineOptions, examineSite } from "./doctor/examine-site.ts";
export type { OpenWork, OpenWorkRequest } from "./engine.ts";
export { caseCacheFolder, eraseCaseCache } from "./erase-study.ts";
export type { SiteEvent } from "./events.ts";
export { type Membership, type OpenSite, openSite, readSite, type Site, type TlsProxy } from "./home.ts";
export { type JoinOptions, joinFederation } from "./join-federation.ts";
export { chooseLine, readTlsProxy } from "./line.ts";
export { type LogPage, matchingLog, pageOfLog } from "./log-page.ts";
export { type AccountOfStudy, type PrivacyAccount, privacyAccount, setPrivacyBudget } from "./privacy-account.ts";
export { quietError, quietWhereNamed } from "./quiet-error.ts";
export { type RegisterOptions, type Registration, registerDataset } from "./register-dataset.ts";
export {
  type ApproveOptions,
  type ApproveResult,
  approveStudy,
  type Dial,
  dialCoordinator,
  type ReviewOptions,
  reviewStudies,
  type StudiesToReview,
} from "./review-studies.ts";
export {
  type Decision,
  type RosterMember,
  readReviews,
  type StudyReview,
  writeDecision,
} from "./reviews.ts";
export { type RunOutcome, type RunSiteOptions, runSite } from "./run-site.ts";
export type { Pause, Timing } from "./shift.ts";
export { type RegisteredData, readRegisteredData, trainingCases, validationCases } from "./site-data.ts";
export type { Departure, SiteLogEntry } from "./site-log.ts";
export { departuresIn } from "./site-log.ts";
export { readSiteLog, type SiteStatus, type SiteStudyStatus, siteStatus } from "./site-status.ts";
export type { SiteStore } from "./site-store.ts";
export type { ToldChange } from "./study-news.ts";
export { ownStatisticsOf } from "./study-progress.ts";
export type { Comparison } from "./summed-figures.ts";
