/**
 * What one attempt at a masked round is about, and how everything in it is bound to that: keys, seeds, signatures and
 * ciphertexts are derived over these bytes, so that nothing of one study, roster, round, attempt or pair of sites has any
 * meaning in another. Sites whose reviewers approved different rosters (other sites, or other keys of them) therefore
 * believe no advertisement of one another's, and take part in no round together: a coordinator that shows different
 * rosters gets no round, where it could otherwise have two lists signed for one.
 *
 * The threshold. Shares of a secret open with t of n. A site signs one list of survivors; t signatures open it. Two
 * lists for one attempt would need t signatures each, which honest sites do not give twice: with c sites that help a
 * dishonest coordinator, two lists are impossible while 2t > n + c (Bonawitz et al. 2017, section 6.2). So t must be a
 * majority, and `toleratedColluders` says how much more than that it is. With a graph of neighbours, t still signs the
 * list, and fewer shares open a secret: neighbour-graph.ts.
 */
import { ConsiliumError, canonicalJson, isSha256, type Json, LIMITS, type Sha256, sha256 } from "../../base/index.ts";
import { leastNeighbourShares } from "../../study/index.ts";

/** shamir-secret-sharing works in GF(2^8), whose shares lie at the 255 points that are not zero. */
const MAX_HOLDERS = 255;

/** Above so many sites, each masks with its neighbours alone (neighbour-graph.ts). */
export interface MaskingGraph {
  /** Neighbours of each site: even, and fewer than all others. */
  readonly neighbours: number;
  /** Shares that open a secret, of those that a site and its neighbours hold; the fewest that a site masks among. */
  readonly threshold: number;
  /** Sites that may help a dishonest coordinator. */
  readonly colluders: number;
}

export interface RoundContext {
  readonly studyHash: Sha256;
  readonly round: number;
  readonly attempt: number;
  /** Shares that open a secret, signatures that open a list, and the fewest sites that a sum is made of. */
  readonly threshold: number;
  /** Of the roster that reviewers approved: every site with its key (`rosterSha256Of`). */
  readonly rosterSha256: Sha256;
  /** Every site of the approved roster that may take part, in ascending order. */
  readonly sites: readonly string[];
  /** Without one, every site masks with every other. */
  readonly graph?: MaskingGraph;
}

/** What a study declares of its masked sums. */
interface DeclaredMasking {
  readonly threshold: number;
  readonly neighbours?:
    | {
        readonly aboveSites: number;
        readonly count: number;
        readonly threshold?: number | undefined;
        readonly colluders: number;
      }
    | undefined;
}

type Roster = readonly { readonly siteId: string; readonly keySha256: string }[];

export function rosterSha256Of(roster: Roster): Sha256 {
  const members = roster.map(({ siteId, keySha256 }) => ({ siteId, keySha256 }));
  return sha256(canonicalJson(members.sort((a, b) => (a.siteId < b.siteId ? -1 : 1))));
}

/**
 * The context of a round, as every site and the coordinator derive it from study and roster.
 * @param sites of the roster that train; in any order.
 */
export function contextOfRound(
  { threshold, neighbours }: DeclaredMasking,
  round: Pick<RoundContext, "studyHash" | "round" | "sites"> & { readonly roster: Roster },
): RoundContext {
  const { studyHash, round: number, roster } = round;
  const sites = [...round.sites].sort();
  const context = { studyHash, round: number, attempt: 0, threshold, rosterSha256: rosterSha256Of(roster), sites };
  if (neighbours === undefined || sites.length <= neighbours.aboveSites) return context;
  const { count, colluders } = neighbours;
  const least = leastNeighbourShares({ count, colluders });
  return { ...context, graph: { neighbours: count, colluders, threshold: neighbours.threshold ?? least } };
}

/** @throws ConsiliumError `masking-parameters` */
export function checkContext(context: RoundContext): void {
  const { studyHash, rosterSha256, round, attempt, threshold, sites, graph } = context;
  const sorted = sites.every((site, i) => site !== "" && (i === 0 || sites[i - 1] < site));
  const most = graph === undefined ? MAX_HOLDERS : LIMITS.sitesPerFederation;
  if (!sorted || sites.length < 2 || sites.length > most) {
    throw invalid(
      `from 2 to ${most} sites, each once, in ascending order`,
      `${sites.length} sites`,
      graph === undefined ? "Declare privacy.secureAggregation.neighbours for more." : undefined,
    );
  }
  if (!Number.isSafeInteger(threshold) || 2 * threshold <= sites.length || threshold > sites.length || threshold < 2) {
    throw invalid(`a threshold of more than half of ${sites.length} sites`, String(threshold));
  }
  const counted = [round, attempt].every((value) => Number.isSafeInteger(value) && value >= 0);
  if (!counted || !isSha256(studyHash) || !isSha256(rosterSha256)) {
    throw invalid("a study's hash, a roster's digest, a round and an attempt", "others");
  }
  if (graph !== undefined) checkGraph(context, graph);
}

/** What no list of survivors could mend. */
function checkGraph(context: RoundContext, { neighbours, threshold, colluders }: MaskingGraph): void {
  const n = context.sites.length;
  const even = Number.isSafeInteger(neighbours) && neighbours % 2 === 0 && neighbours >= 2;
  if (!even || neighbours >= n - 1 || neighbours >= MAX_HOLDERS) {
    throw invalidGraph(`an even number of neighbours, from 2 to ${Math.min(n, MAX_HOLDERS + 1) - 2}`, neighbours);
  }
  const most = Math.min(toleratedColluders(context), neighbours - 1);
  if (!Number.isSafeInteger(colluders) || colluders < 0 || colluders > most) {
    throw invalidGraph(`from 0 to ${most} colluders, at this threshold and number of neighbours`, colluders);
  }
  const least = leastNeighbourShares({ count: neighbours, colluders });
  if (!Number.isSafeInteger(threshold) || threshold < least || threshold > neighbours + 1) {
    throw invalidGraph(`from ${least} to ${neighbours + 1} shares that open a secret`, threshold);
  }
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
  const { studyHash, rosterSha256, round, attempt, threshold, graph } = context;
  const text = canonicalJson({
    ...about,
    ...(graph && { graph: { ...graph } }),
    protocol: "consilium.v1.masking",
    purpose,
    studyHash,
    rosterSha256,
    round,
    attempt,
    threshold,
  });
  return new TextEncoder().encode(text);
}

function invalid(
  expected: string,
  actual: string,
  hint = "Set the study's threshold above half of its sites.",
): ConsiliumError {
  return new ConsiliumError("masking-parameters", { subject: "secure aggregation", expected, actual, hint });
}

function invalidGraph(expected: string, actual: number): ConsiliumError {
  return invalid(expected, String(actual), "Correct privacy.secureAggregation.neighbours, or leave it out.");
}
