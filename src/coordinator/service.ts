/** The coordinator as sites meet it: enrolment, letters, and the objects that the study's state lets each of them move. */
import { ConsiliumError, type Sha256 } from "../base/index.ts";
import type { FederationService, Peer } from "../protocol/index.ts";
import {
  type CorrespondenceOptions,
  checkExpiry,
  createCorrespondence,
  knownSite,
  OWN_FAULTS,
} from "./correspondence.ts";
import { type EnrollingOptions, enrolSiteByInvitation } from "./enrolling.ts";
import { uploadBytes } from "./masked-round.ts";
import { readableObjects } from "./objects-in-use.ts";
import { trainersOf } from "./phases/collecting.ts";
import { type CoordinatorState, isParticipant } from "./state.ts";

export interface ServiceOptions extends CorrespondenceOptions, EnrollingOptions {
  /** Hears of what no caller's fault explains; callers are told only that there was a defect. */
  readonly defect: (error: unknown) => void;
}

export interface CoordinatorService extends FederationService {
  /** Resolves once the calls underway now have ended, whoever waits for them still: what they write is then written. */
  idle(): Promise<void>;
}

export function createService(options: ServiceOptions): CoordinatorService {
  return withDefectsTold(undefendedService(options), options.defect);
}

function withDefectsTold(service: FederationService, defect: (error: unknown) => void): CoordinatorService {
  const underway = new Set<Promise<unknown>>();
  const told = async <T>(work: Promise<T>): Promise<T> => {
    underway.add(work);
    try {
      return await work;
    } catch (error) {
      if (!(error instanceof ConsiliumError) || OWN_FAULTS.has(error.code)) defect(error);
      throw error;
    } finally {
      underway.delete(work);
    }
  };
  return {
    async idle() {
      await Promise.allSettled(underway);
    },
    enrol: (request) => told(service.enrol(request)),
    exchange: (peer, envelope) => told(service.exchange(peer, envelope)),
    readObject: (peer, range, into) => told(service.readObject(peer, range, into)),
    heldBytes: (peer, object) => told(service.heldBytes(peer, object)),
    writeObject: (peer, chunk) => told(service.writeObject(peer, chunk)),
  };
}

function undefendedService(options: ServiceOptions): FederationService {
  const { machine, store } = options;
  const correspond = createCorrespondence(options);

  function stateFor(peer: Peer): CoordinatorState {
    const state = machine().state();
    knownSite(state.sites[peer.siteId], peer);
    checkExpiry(peer, options.clock.nowMs());
    return state;
  }
  return {
    enrol: (request) => enrolSiteByInvitation(request, options),
    exchange: correspond,
    async readObject(peer, { sha256, offset, bytes }, into) {
      const state = stateFor(peer);
      const size = isParticipant(state, peer.siteId) ? readableObjects(state, peer.siteId).get(sha256) : undefined;
      if (size === undefined)
        throw refused(sha256, "a model of the study that this site takes part in", "another object");
      if (offset >= size) return new Uint8Array();
      const count = Math.min(bytes, size - offset);
      const piece = into?.subarray(0, count) ?? new Uint8Array(count);
      return piece.subarray(0, await store.read(sha256, offset, piece));
    },
    async heldBytes(peer, { sha256, totalBytes }) {
      const state = stateFor(peer);
      const counted = "updates" in state.phase && state.phase.updates[peer.siteId]?.sha256 === sha256;
      if (!counted) checkAwaited(state, peer.siteId, sha256, totalBytes);
      return store.heldBytes(peer.siteId, sha256, totalBytes);
    },
    async writeObject(peer, { sha256, offset, totalBytes, bytes }) {
      checkAwaited(stateFor(peer), peer.siteId, sha256, totalBytes);
      return store.addPiece({ siteId: peer.siteId, sha256, offset, totalBytes, bytes });
    },
  };
}

/** @throws ConsiliumError `object-refused` where no update is awaited of this site, `update-shape` for its length */
function checkAwaited(state: CoordinatorState, siteId: string, sha256: Sha256, totalBytes: number): void {
  const { phase, study } = state;
  const awaited =
    phase.kind === "collecting" &&
    study !== null &&
    isParticipant(state, siteId) &&
    trainersOf(study, phase).includes(siteId) &&
    !(siteId in phase.updates);
  if (!awaited) throw refused(sha256, "no upload now", "one");
  const wanted = uploadBytes(study, phase.round);
  if (totalBytes === wanted) return;
  throw new ConsiliumError("update-shape", {
    subject: `update of ${siteId}`,
    expected: `${wanted} bytes for ${study?.parameterCount} parameters`,
    actual: `${totalBytes} bytes`,
    hint: "Train from the model of this round, and send every element of it in the encoding that the study declares.",
  });
}

function refused(sha256: Sha256, expected: string, actual: string): ConsiliumError {
  return new ConsiliumError("object-refused", {
    subject: `object ${sha256.slice(0, 12)}`,
    expected,
    actual,
    hint: "Ask for the next order, and move what it names.",
  });
}
