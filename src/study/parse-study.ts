/**
 * From a value of unknown origin to a study that holds together, by one road for files and for what a coordinator
 * sends: the schema first, then the checks across keys.
 */
import { ConsiliumError, canonicalJson, LIMITS, type Sha256, sha256 } from "../base/index.ts";
import { withOrderedRegions } from "./ordered-regions.ts";
import { type Study, studySchema } from "./schema.ts";
import { checkStudyConsistency, type NetworkFacts } from "./study-consistency.ts";
import { problemsOf, studyError } from "./study-problems.ts";

/** @throws ConsiliumError `study-invalid` naming every key that is wrong, or every pair of keys that disagree. */
export function parseStudy(value: unknown, subject = "study", facts: NetworkFacts = {}): Study {
  const parsed = studySchema.safeParse(value);
  if (!parsed.success) throw studyError(subject, problemsOf(parsed.error.issues, value));
  const study = withOrderedRegions(parsed.data);
  checkStudyConsistency(study, facts, subject);
  return study;
}

/** SHA-256 of the study's canonical JSON, defaults written out: what a site approves and every message names. */
export function studyHash(study: Study): Sha256 {
  return sha256(canonicalJson(study));
}

/** The bytes whose SHA-256 is the study's hash. */
export function studyToBytes(study: Study): Uint8Array {
  return new TextEncoder().encode(canonicalJson(study));
}

/**
 * A study as it came over the wire, under the hash that it claims.
 *
 * The bytes must be the canonical form with every default written out: what the reviewer reads, what is hashed and
 * what runs are then the same thing, and a site of another version cannot fill a gap with a default of its own.
 *
 * @throws ConsiliumError `study-invalid` where hash, form or content do not hold.
 */
export function studyFromBytes(bytes: Uint8Array, hash: Sha256): Study {
  const subject = `study ${hash.slice(0, 12)}`;
  const came = sha256(bytes);
  const refuse = (expected: string, actual: string): ConsiliumError =>
    new ConsiliumError("study-invalid", {
      subject,
      expected,
      actual,
      hint: "Do not approve it: ask the study lead to submit the study again.",
    });
  if (bytes.length > LIMITS.studyFileBytes) throw refuse(`at most ${LIMITS.studyFileBytes} bytes`, `${bytes.length}`);
  if (came !== hash) throw refuse(`bytes of SHA-256 ${hash}`, came);
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    throw refuse("canonical JSON", "bytes that are not JSON");
  }
  const study = parseStudy(value, subject);
  if (studyHash(study) !== hash) throw refuse("canonical JSON with every default written out", "another form of it");
  return study;
}
