/**
 * What one attempt at a masked round is about, and how everything in it is bound to that: keys, seeds, signatures and
 * ciphertexts are derived over these bytes, so that nothing of one study, round, attempt or pair of sites has any
 * meaning in another.
 *
 * The threshold. Shares of a secret open with t of n. A site signs one list of survivors; t signatures open it. Two
 * lists for one attempt would need t signatures each, which honest sites do not give twice: with c sites that help a
 * dishonest coordinator, two lists are impossible while 2t > n + c (Bonawitz et al. 2017, section 6.2). So t must be a
 * majority, and `toleratedColluders` says how much more than that it is.
 */
import { ConsiliumError, canonicalJson, isSha256, type Json, type Sha256 } from "../../base/index.ts";

/** shamir-secret-sharing works in GF(2^8), whose shares lie at the 255 points that are not zero. */
const MAX_SITES = 255;

export interface RoundContext {
  readonly studyHash: Sha256;
  readonly round: number;
  readonly attempt: number;
  /** Shares that open a secret, signatures that open a list, and the fewest sites that a sum is made of. */
  readonly threshold: number;
  /** Every site of the approved roster that may take part, in ascending order. */
  readonly sites: readonly string[];
}

/** @throws ConsiliumError `masking-parameters` */
export function checkContext(context: RoundContext): void {
  const { studyHash, round, attempt, threshold, sites } = context;
  const sorted = sites.every((site, i) => site !== "" && (i === 0 || sites[i - 1] < site));
  if (!sorted || sites.length < 2 || sites.length > MAX_SITES) {
    throw invalid(`from 2 to ${MAX_SITES} sites, each once, in ascending order`, `${sites.length} sites`);
  }
  if (!Number.isSafeInteger(threshold) || 2 * threshold <= sites.length || threshold > sites.length || threshold < 2) {
    throw invalid(`a threshold of more than half of ${sites.length} sites`, String(threshold));
  }
  const counted = [round, attempt].every((value) => Number.isSafeInteger(value) && value >= 0);
  if (!counted || !isSha256(studyHash)) throw invalid("a study's hash, a round and an attempt", "others");
}

/** Sites that may help a dishonest coordinator without its getting two lists of survivors signed. */
export function toleratedColluders({ threshold, sites }: RoundContext): number {
  return 2 * threshold - sites.length - 1;
}

/** The bytes that a key, signature or ciphertext is bound to: one meaning, one byte sequence. */
export function boundBytes(
  context: RoundContext,
  purpose: string,
  about: { readonly [key: string]: Json },
): Uint8Array {
  const { studyHash, round, attempt, threshold } = context;
  const text = canonicalJson({
    ...about,
    protocol: "consilium.v1.masking",
    purpose,
    studyHash,
    round,
    attempt,
    threshold,
  });
  return new TextEncoder().encode(text);
}

function invalid(expected: string, actual: string): ConsiliumError {
  return new ConsiliumError("masking-parameters", {
    subject: "secure aggregation",
    expected,
    actual,
    hint: "Set the study's threshold above half of its sites.",
  });
}
