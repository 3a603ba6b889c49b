export { type AdminClient, adminClient } from "./admin-client.ts";
export { type ComparedSite, compareStudyModels, type ModelComparison } from "./compare-study-models.ts";
export {
  assembleCoordinator,
  type Coordinator,
  type CoordinatorNews,
  type CoordinatorParts,
  type InviteRequest,
  type LiveRequest,
  type MadeInvitation,
  type OpenOptions,
  openCoordinator,
  type RotatedAuthority,
  type StudyResult,
  type SubmittedStudy,
} from "./coordinator.ts";
export type { CoordinatorEvent } from "./events.ts";
export { type Federation, type Home, type InitOptions, initCoordinator, modelSigner } from "./home.ts";
export type { Countersigned, Heard, Journal, JournalHead, JournalLine, Snapshot } from "./journal.ts";
export type { JournalAudit } from "./journal-audit.ts";
export { type MatrixCell, type MatrixRow, type MatrixStatus, matrixStatuses } from "./matrix-status.ts";
export type { ObjectStore } from "./object-store.ts";
export { changeHomePassphrase, checkHomePassphrase, isAuthoritySealed } from "./passphrase.ts";
export { withState } from "./read-state.ts";
export type { RoundRecord, StudyEnd, StudyRecord } from "./records.ts";
export { type Replay, type ReplayedRound, replayAggregates } from "./replay.ts";
export { type CoordinatorServer, type ServerOptions, startServer } from "./server.ts";
export { roundCount, roundOf, roundsOf } from "./settled-rounds.ts";
export { type CoordinatorState, INITIAL_STATE, type Phase } from "./state.ts";
export { stateOfStudy, studyNamed } from "./state-of-study.ts";
export { type HistogramStatus, type StatisticsStatus, statisticsStatus } from "./statistics-status.ts";
export {
  type CoordinatorStatus,
  type FigureStatus,
  offIn,
  type RoundSiteStatus,
  type RoundStatus,
  roundStatusOf,
  type SiteStatus,
  type StudyStatus,
  type TrainedStatus,
} from "./status.ts";
export { step } from "./step.ts";
export { type ModelEntry, modelsOf } from "./study-models.ts";
export type { StudyToSubmit } from "./study-objects.ts";
export { verifyHome } from "./verify.ts";
