/** A founded federation whose sites have joined, from which every simulated history begins: made once, copied often. */
import { randomBytes } from "node:crypto";
import { systemTimers } from "../../src/base/index.ts";
import { assembleCoordinator, type CoordinatorParts, type Home } from "../../src/coordinator/index.ts";
import {
  certificateFingerprint,
  createAuthority,
  createSiteKey,
  type Enrolment,
  enrolInMemory,
  issueCoordinatorCertificate,
  parseInvitation,
} from "../../src/protocol/index.ts";
import { emptyCoordinatorDisk, type KeptRecord, memoryJournal, memoryObjects } from "./memory-stores.ts";
import { createDisk, createLife, createWorld } from "./world.ts";

export interface JoinedSite {
  readonly siteId: string;
  readonly cases: number;
  readonly keyPem: string;
  readonly enrolment: Enrolment;
}

export interface Fixture {
  readonly startMs: number;
  readonly home: Home;
  readonly sites: readonly JoinedSite[];
  /** Invitations and enrolments, as journalled. */
  readonly records: readonly KeptRecord[];
}

/** Cases of each site: one has too few to validate. */
const SITES: Readonly<Record<string, number>> = { a: 6, b: 3, c: 11 };

/** When every world begins: pauses between tries are drawn from the time as well, and a seed must be one history. */
const START_MS = Date.UTC(2027, 0, 1);

export async function makeFixture(): Promise<Fixture> {
  const startMs = START_MS;
  const credentials = await createAuthority("Chaos", startMs);
  const server = await issueCoordinatorCertificate(credentials, ["127.0.0.1"], startMs);
  const address = "127.0.0.1:1";
  const id = certificateFingerprint(credentials.certificatePem);
  const authority = { ...credentials, sealed: false };
  const facts = { folder: "", name: "Chaos", listen: address, address, id };
  const home: Home = { ...facts, authority, previous: null, passphrase: undefined, server };
  const world = createWorld({ seed: 0, startMs, longestMs: 1, mostEvents: 1 });
  const kept = emptyCoordinatorDisk();
  const disk = createDisk(
    world,
    createLife(() => undefined),
    { death: 0, full: 0 },
  );
  const coordinator = await assembleCoordinator({
    home,
    clock: world,
    timers: systemTimers,
    journal: memoryJournal(kept, disk),
    store: memoryObjects(kept, disk),
    secrets: memorySecrets(),
    lock: { release: () => undefined },
    dormant: true,
  });
  const sites: JoinedSite[] = [];
  for (const [siteId, cases] of Object.entries(SITES)) {
    const { text } = await coordinator.invite({ siteId });
    const invitation = parseInvitation(text, "invitation", startMs);
    const keyPem = createSiteKey();
    const request = { invitation, keyPem, productVersion: "chaos", nowMs: startMs };
    sites.push({ siteId, cases, keyPem, enrolment: await enrolInMemory(coordinator.service, request) });
  }
  await coordinator.close();
  return { startMs, home, sites, records: kept.records };
}

export function memorySecrets(): CoordinatorParts["secrets"] {
  const secrets = new Map<string, string>();
  return {
    async create(invitationId) {
      const secret = randomBytes(32).toString("base64url");
      secrets.set(invitationId, secret);
      return secret;
    },
    get: (invitationId) => secrets.get(invitationId),
  };
}
