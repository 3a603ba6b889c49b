/** Every command, in the order of help. */
import type { CommandSpec } from "../command.ts";
import type { GroupSpec } from "../program.ts";
import { reviewDraft, reviewReturn, reviewStatus } from "./case-review.ts";
import { cohortCheck } from "./cohort-check.ts";
import { cohortMake } from "./cohort-make.ts";
import { compare } from "./compare.ts";
import { defineCompletion } from "./completion.ts";
import { coordinatorInit } from "./coordinator-init.ts";
import { coordinatorInvite } from "./coordinator-invite.ts";
import { coordinatorPassphrase } from "./coordinator-passphrase.ts";
import { coordinatorRevoke } from "./coordinator-revoke.ts";
import { coordinatorRotateCa } from "./coordinator-rotate-ca.ts";
import { coordinatorStart } from "./coordinator-start.ts";
import { coordinatorVerify } from "./coordinator-verify.ts";
import { coordinatorDashboard, siteConsole } from "./dashboard.ts";
import { demo } from "./demo.ts";
import { docs } from "./docs.ts";
import { evaluate } from "./evaluate.ts";
import { intake } from "./intake.ts";
import { modelCompare } from "./model-compare.ts";
import { modelExport } from "./model-export.ts";
import { modelInspect } from "./model-inspect.ts";
import { modelProfile } from "./model-profile.ts";
import { modelTune } from "./model-tune.ts";
import { modelVerify } from "./model-verify.ts";
import { next } from "./next.ts";
import { passkeysList, passkeysRemove } from "./passkeys.ts";
import { privacyEpsilon } from "./privacy-epsilon.ts";
import { replay } from "./replay.ts";
import { segment } from "./segment.ts";
import { serve } from "./serve.ts";
import { simulate } from "./simulate.ts";
import { siteData } from "./site-data.ts";
import { siteDoctor } from "./site-doctor.ts";
import { siteJoin } from "./site-join.ts";
import { siteBudget, siteLedger } from "./site-ledger.ts";
import { siteLine } from "./site-line.ts";
import { siteApprove, siteLeave, siteReview } from "./site-review.ts";
import { siteStart } from "./site-start.ts";
import { siteLog, siteStatus } from "./site-status.ts";
import { status } from "./status.ts";
import { studyCheck } from "./study-check.ts";
import { studyBegin, studyChange, studyPause, studyResume, studyStop } from "./study-live.ts";
import { studyMatrix } from "./study-matrix.ts";
import { studyPlan } from "./study-plan.ts";
import { studyReport } from "./study-report.ts";
import { studyStatistics } from "./study-statistics.ts";
import { studySubmit } from "./study-submit.ts";
import { train } from "./train.ts";

export const COMMANDS: readonly CommandSpec[] = [
  demo,
  intake,
  simulate,
  train,
  segment,
  serve,
  evaluate,
  compare,
  reviewDraft,
  reviewReturn,
  reviewStatus,
  cohortMake,
  cohortCheck,
  coordinatorInit,
  coordinatorStart,
  coordinatorDashboard,
  coordinatorInvite,
  coordinatorRevoke,
  coordinatorRotateCa,
  coordinatorPassphrase,
  coordinatorVerify,
  studyCheck,
  studySubmit,
  studyStatistics,
  studyMatrix,
  studyPlan,
  studyReport,
  studyBegin,
  studyPause,
  studyResume,
  studyChange,
  studyStop,
  status,
  replay,
  siteDoctor,
  siteJoin,
  siteLine,
  siteData,
  siteReview,
  siteApprove,
  siteLeave,
  siteStart,
  siteConsole,
  siteStatus,
  siteLog,
  siteLedger,
  siteBudget,
  passkeysList,
  passkeysRemove,
  modelExport,
  modelCompare,
  modelInspect,
  modelProfile,
  modelTune,
  modelVerify,
  privacyEpsilon,
  next,
  docs,
  defineCompletion(() => COMMANDS),
];

export const GROUPS: readonly GroupSpec[] = [
  { path: ["cohort"], summary: "Make and check datasets" },
  { path: ["review"], summary: "Have drafts of label maps corrected by readers" },
  { path: ["coordinator"], summary: "Found and run a federation" },
  { path: ["study"], summary: "Check, submit and steer studies" },
  { path: ["site"], summary: "Take part in a federation as a hospital" },
  { path: ["passkeys"], summary: "See and remove what operators sign in to a console by" },
  { path: ["model"], summary: "Take out models; check, measure and tune networks" },
  { path: ["privacy"], summary: "Reckon with differential privacy" },
];
