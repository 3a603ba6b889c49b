/**
 * Joining a federation. The private key is made here and kept before anything is sent, so that an answer lost on its
 * way can be asked for again with the same key; the home counts as joined by its last write, which comes after every
 * check of the answer.
 */
import { createPublicKey } from "node:crypto";
import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { type Clock, ConsiliumError, sha256, systemClock } from "../base/index.ts";
import {
  createSiteKey,
  type Enrolment,
  type EnrolOptions,
  enrol,
  enrolSealed,
  type Invitation,
  parseInvitation,
} from "../protocol/index.ts";
import { openFileStore, writeFileDurably } from "./file-store.ts";
import { identityPath, type Membership, readMembership, type TlsProxy } from "./home.ts";
import { lockHome } from "./home-lock.ts";
import { destinationOf, keepLine } from "./line.ts";
import { openSiteLog } from "./site-log.ts";
import type { SiteStore } from "./site-store.ts";

const PENDING_DOCUMENT = "pending-invitation";

export interface JoinOptions {
  readonly home: string;
  readonly invitationFile: string;
  readonly productVersion: string;
  /** A proxy that ends TLS, which the site chooses to speak through: mutual TLS is then off. */
  readonly tlsProxy?: TlsProxy | undefined;
  /** How the request reaches the coordinator: over TLS pinned by the invitation, or sealed, unless given. */
  readonly enrolBy?: (options: EnrolOptions) => Promise<Enrolment>;
  readonly clock?: Clock;
}

/**
 * Makes a key, has it certified and keeps what came back.
 *
 * @throws ConsiliumError `file-not-found`, `invitation-invalid`, `invitation-expired` before anything is made or sent;
 * `file-exists` for a home that has joined; `invitation-used`, `certificate-untrusted` and what the link throws.
 */
export async function joinFederation(options: JoinOptions): Promise<Membership> {
  const {
    home,
    invitationFile,
    productVersion,
    tlsProxy,
    enrolBy = enrolOver(tlsProxy),
    clock = systemClock,
  } = options;
  const invitation = parseInvitation(await readInvitation(invitationFile), basename(invitationFile), clock.nowMs());
  const lock = await lockHome(home);
  try {
    const store = await openFileStore(home);
    await refuseSecondJoin(store);
    const keyPem = await keyFor(home, store, invitation);
    const to = destinationOf({ ...invitation, ...(tlsProxy && { mutualTls: false }) });
    await recordRequest(store, to, keyPem, clock.nowMs());
    const enrolment = await enrolBy({ invitation, keyPem, productVersion, nowMs: clock.nowMs() });
    return await keepEnrolment(home, invitation, enrolment, tlsProxy, clock.nowMs());
  } finally {
    lock.release();
  }
}

function enrolOver(tlsProxy: TlsProxy | undefined): (options: EnrolOptions) => Promise<Enrolment> {
  if (tlsProxy === undefined) return enrol;
  return (options) => enrolSealed(options, { proxyCaPem: tlsProxy.caPem });
}

async function readInvitation(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    const missing = (cause as NodeJS.ErrnoException).code === "ENOENT";
    throw new ConsiliumError(missing ? "file-not-found" : "file-unreadable", {
      subject: basename(path),
      expected: "an invitation file",
      actual: missing ? "no such file" : String((cause as NodeJS.ErrnoException).code),
      hint: "Give the file that the study lead sent: `--invitation FILE`.",
      cause,
    });
  }
}

async function refuseSecondJoin(store: SiteStore): Promise<void> {
  const membership = await readMembership(store);
  if (membership === undefined) return;
  throw new ConsiliumError("file-exists", {
    subject: "the site's home",
    expected: "a folder that joined no federation yet",
    actual: `one that joined "${membership.federationName}" as ${membership.siteId}`,
    hint: "One home is one membership: choose another folder for another federation.",
  });
}

/** The key of an earlier attempt with the same invitation, or a new one. */
async function keyFor(home: string, store: SiteStore, { invitationId }: Invitation): Promise<string> {
  const pending = await store.read(PENDING_DOCUMENT);
  if (pending === invitationId) {
    const kept = await readFile(identityPath(home, "key"), "utf8").catch(() => undefined);
    if (kept !== undefined) return kept;
  }
  const keyPem = createSiteKey();
  await writeFileDurably(identityPath(home, "key"), keyPem);
  await store.write(PENDING_DOCUMENT, invitationId);
  return keyPem;
}

/** The request carries the public key and a proof under the invitation's secret; the log names the key. */
async function recordRequest(store: SiteStore, to: string, keyPem: string, nowMs: number): Promise<void> {
  const publicKey = createPublicKey(keyPem).export({ type: "spki", format: "der" });
  const log = await openSiteLog(store);
  await log.record(
    {
      what: "certificate request",
      to,
      bytes: publicKey.length,
      sha256: sha256(publicKey),
      studyHash: "",
      round: 0,
    },
    nowMs,
  );
}

async function keepEnrolment(
  home: string,
  invitation: Invitation,
  enrolment: Enrolment,
  tlsProxy: TlsProxy | undefined,
  nowMs: number,
): Promise<Membership> {
  const membership: Membership = {
    schema: "consilium.site/1",
    siteId: enrolment.siteId,
    federationName: enrolment.federationName,
    federationId: enrolment.federationId,
    address: invitation.address,
    joinedAtMs: nowMs,
  };
  await writeFileDurably(identityPath(home, "certificate"), enrolment.certificatePem);
  await writeFileDurably(identityPath(home, "authority"), enrolment.authorityPem);
  return keepLine(home, membership, tlsProxy);
}
