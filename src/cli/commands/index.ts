/** Every command, in the order of help. */
import type { CommandSpec } from "../command.ts";
import type { GroupSpec } from "../program.ts";
import { cohortCheck } from "./cohort-check.ts";
import { cohortMake } from "./cohort-make.ts";
import { evaluate } from "./evaluate.ts";
import { modelVerify } from "./model-verify.ts";
import { segment } from "./segment.ts";
import { siteData } from "./site-data.ts";
import { siteJoin } from "./site-join.ts";
import { siteApprove, siteReview } from "./site-review.ts";
import { siteStart } from "./site-start.ts";
import { siteLog, siteStatus } from "./site-status.ts";
import { studyCheck } from "./study-check.ts";

export const COMMANDS: readonly CommandSpec[] = [
  segment,
  evaluate,
  cohortMake,
  cohortCheck,
  studyCheck,
  siteJoin,
  siteData,
  siteReview,
  siteApprove,
  siteStart,
  siteStatus,
  siteLog,
  modelVerify,
];

export const GROUPS: readonly GroupSpec[] = [
  { path: ["cohort"], summary: "Make and check datasets" },
  { path: ["study"], summary: "Check and submit studies" },
  { path: ["site"], summary: "Take part in a federation as a hospital" },
  { path: ["model"], summary: "Check networks" },
];
