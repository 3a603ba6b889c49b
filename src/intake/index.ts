export { type CaseRecord, type CaseState, intakeFolder } from "./case-record.ts";
export { type LastingOptions, readLastingOptions } from "./lasting-options.ts";
export { type IntakeCase, intakeSheet, isIntake, readIntake } from "./read-intake.ts";
export { type IntakeOptions, type IntakeResult, runIntake } from "./run-intake.ts";
export { type StudyOptions, type StudySource, type TakenStudy, takeInStudy } from "./take-in-study.ts";
