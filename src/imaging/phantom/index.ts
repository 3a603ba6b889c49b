export { type CohortOptions, type CohortProgress, phantomCaseId, writeCohort } from "./cohort.ts";
export { type MontageCase, montagePng } from "./montage.ts";
export { makePhantom, type Phantom, type PhantomOptions, phantomGrid } from "./phantom.ts";
export { type Scanner, type Sequence, siteScanner } from "./scanner.ts";
export { bestThresholdDice, type ThresholdCase, type ThresholdDice } from "./threshold-dice.ts";
export type { TumourKind, TumourPlan } from "./tumour-plan.ts";
