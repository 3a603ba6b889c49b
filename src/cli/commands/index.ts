/** Every command, in the order of help. */
import type { CommandSpec } from "../command.ts";
import type { GroupSpec } from "../program.ts";
import { cohortCheck } from "./cohort-check.ts";
import { evaluate } from "./evaluate.ts";
import { modelVerify } from "./model-verify.ts";
import { segment } from "./segment.ts";

export const COMMANDS: readonly CommandSpec[] = [segment, evaluate, cohortCheck, modelVerify];

export const GROUPS: readonly GroupSpec[] = [
  { path: ["cohort"], summary: "make and check datasets" },
  { path: ["model"], summary: "check networks" },
];
