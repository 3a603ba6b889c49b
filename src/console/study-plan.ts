/** A study in words, with what it costs of privacy and what changed since the one before it: for screens and commands. */
import type { CoordinatorState } from "../coordinator/index.ts";
import { plannedPrivacy, plannedSitePrivacy } from "../privacy/index.ts";
import { describeStudy, type Study, type StudyChange, studyDifference, studyHash } from "../study/index.ts";

export interface StudyPlan {
  readonly hash: string;
  readonly study: Study;
  readonly text: string;
  /** For each patient, at the study's end; null without noise for patients. */
  readonly privacy: ReturnType<typeof plannedPrivacy> | null;
  /** Null for the first study. */
  readonly before: { readonly name: string; readonly changes: readonly StudyChange[] } | null;
}

export interface SubmittedPlan extends StudyPlan {
  readonly submittedMs: number;
  readonly parameterCount: number;
}

/** Of the study underway or the last one, beside the study before it; null before any. */
export function submittedPlan({ study, past }: CoordinatorState): SubmittedPlan | null {
  if (study === null) return null;
  const { submittedMs, parameterCount } = study;
  return { ...planOf(study.study, past.at(-1)?.record.study), submittedMs, parameterCount };
}

/** Of a study that may be submitted, beside the study underway or the last one. */
export function checkedPlan({ study: submitted, past }: CoordinatorState, study: Study): StudyPlan {
  return planOf(study, (submitted ?? past.at(-1)?.record)?.study);
}

function planOf(study: Study, before: Study | undefined): StudyPlan {
  const privacy = plannedPrivacy(study);
  const siteEpsilon = plannedSitePrivacy(study)?.epsilon;
  return {
    hash: studyHash(study),
    study,
    text: describeStudy(study, { patientEpsilon: privacy?.epsilon, siteEpsilon }),
    privacy: privacy ?? null,
    before: before === undefined ? null : { name: before.name, changes: studyDifference(before, study) },
  };
}
