/** One study of many, by its name or its hash; and a state in which a study that ended is the last one. */
import { ConsiliumError } from "../base/index.ts";
import type { CoordinatorState } from "./state.ts";

const HASH_DIGITS = 6;

interface Named {
  readonly study: string;
  readonly studyHash: string;
}

/**
 * @param wanted its name, or the first 6 digits of its hash and more
 * @throws ConsiliumError `study-unknown` where none is, or several are
 */
export function studyNamed<T extends Named>(studies: readonly T[], wanted: string): T {
  const isHash = new RegExp(`^[0-9a-f]{${HASH_DIGITS},64}$`).test(wanted);
  const found = studies.filter(({ study, studyHash }) => study === wanted || (isHash && studyHash.startsWith(wanted)));
  if (found.length === 1) return found[0];
  const known = studies.map(({ study, studyHash }) => `${study} (${studyHash.slice(0, HASH_DIGITS)})`);
  throw new ConsiliumError("study-unknown", {
    subject: `study ${JSON.stringify(wanted.slice(0, 80))}`,
    expected: known.length === 0 ? "a study" : `one of ${known.join(", ")}`,
    actual: found.length === 0 ? "none of that name" : `${found.length} of that name`,
    hint: `Name it, or the first ${HASH_DIGITS} digits of its hash and more.`,
  });
}

/** What the coordinator knew of a study when it ended, as if none had followed. @throws ConsiliumError `study-unknown` */
export function stateOfStudy(state: CoordinatorState, wanted: string): CoordinatorState {
  const { study, past } = state;
  const ended = past.map(({ record, end }, i) => ({
    study: record.study.name,
    studyHash: record.hash,
    as: { ...state, study: record, phase: end, past: past.slice(0, i) },
  }));
  const last = study === null ? [] : [{ study: study.study.name, studyHash: study.hash, as: state }];
  return studyNamed([...last, ...ended.reverse()], wanted).as;
}
