/** Certificates that renew themselves, and sites that are revoked and added while a study runs. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { systemClock } from "../base/index.ts";
import {
  certificateToPem,
  connectLink,
  createSiteKey,
  enrol,
  parseInvitation,
  readCertificate,
} from "../protocol/index.ts";
import { type CoordinatorServer, startServer, verifyHome } from "./index.ts";
import { act, type FakeSite, joinFake, poll, renew } from "./testing/fake-site.ts";
import { newFederation, runToEnd, submitSmall, type TestFederation } from "./testing/federations.ts";
import { approvals, smallParameters, smallStudy, stateAfter, submitted, update } from "./testing/studies.ts";

const DAY_MS = 86_400_000;
const SITES = ["tum", "ucsf", "upenn"];

async function codeOf(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => "accepted",
    (error: { readonly code?: string }) => error.code ?? "an error without a code",
  );
}

describe("a certificate", () => {
  let nowMs: number;
  let federation: TestFederation;
  let server: CoordinatorServer;
  let site: FakeSite;
  const clock = { nowMs: () => nowMs };

  beforeEach(async () => {
    nowMs = systemClock.nowMs();
    federation = await newFederation([], clock);
    server = await startServer(federation.coordinator);
    const { text } = await federation.coordinator.invite({ siteId: "upenn" });
    const invitation = parseInvitation(text, "invitation", nowMs);
    const keyPem = createSiteKey();
    const enrolment = await enrol({ invitation, keyPem, productVersion: "0.1.0", nowMs });
    const link = connectLink({ address: invitation.address, keyPem, ...enrolment });
    site = { siteId: "upenn", enrolment, keyPem, link, sequence: 0, sent: [], folder: "", cases: 3, clock };
  });
  afterEach(async () => {
    await site.link.close();
    await server.close();
    await federation.remove();
  });
  const present = (): string => federation.coordinator.state().sites.upenn.certificatePem;
  /** A session holds what its caller showed when it began. */
  const reconnect = (pem: string): void => site.link.useCertificate(pem);

  test("is renewed for the same key once half of it is over, and not before", async () => {
    const first = present();
    await renew(site);
    expect(present()).toBe(first);
    nowMs += 8 * DAY_MS;
    const renewed = certificateToPem(await renew(site));
    expect(present()).toBe(renewed);
    const [before, after] = [first, renewed].map(readCertificate);
    expect(after.keySha256).toBe(before.keySha256);
    expect(after.notAfterMs - before.notAfterMs).toBe(8 * DAY_MS);
    // Its answer was lost: the same is given again.
    expect(certificateToPem(await renew(site))).toBe(renewed);
    reconnect(renewed);
    nowMs += 10 * DAY_MS;
    expect((await poll(site)).verdict.outcome).toBe("accepted");
    expect(federation.coordinator.status().sites[0].certificateExpiresMs).toBe(after.notAfterMs);
    expect((await verifyHome(federation.home)).records).toBe(4);
  });

  test("that ran out serves to be renewed and for nothing else", async () => {
    nowMs += 15 * DAY_MS;
    reconnect(present());
    expect(await codeOf(poll(site))).toBe("certificate-expired");
    const request = { sha256: "0".repeat(64), bytes: 1, toFile: `${federation.folder}/object` };
    expect(await codeOf(site.link.fetchObject(request))).toBe("certificate-expired");
    reconnect(certificateToPem(await renew(site)));
    expect((await poll(site)).verdict.outcome).toBe("accepted");
  });

  test("that ran out long ago is renewed no more", async () => {
    nowMs += 200 * DAY_MS;
    reconnect(present());
    expect(await codeOf(renew(site))).toBe("certificate-expired");
  });

  test("of a revoked site is renewed no more", async () => {
    await federation.coordinator.revokeSite("upenn", "its key was copied");
    expect(await codeOf(renew(site))).toBe("site-revoked");
    expect(await codeOf(poll(site))).toBe("site-revoked");
    expect(federation.coordinator.status().sites[0].revoked).toBe("its key was copied");
  });
});

describe("a site that is revoked", () => {
  let federation: TestFederation;
  afterEach(() => federation.remove());

  test("in mid-study leaves the others at work, and may join anew for the next study", async () => {
    federation = await newFederation(SITES);
    const { coordinator, sites } = federation;
    await submitSmall(coordinator, smallStudy({ quorum: 2, count: 2 }));
    for (const site of sites) await act(site);
    // Its update of the first round is there already.
    await act(sites[0]);
    await coordinator.revokeSite("tum", "left the consortium");
    expect(await codeOf(poll(sites[0]))).toBe("site-revoked");
    const revoked = sites.shift();
    await runToEnd(federation);
    const rounds = coordinator.status().study?.rounds ?? [];
    expect(rounds.map(({ sites: took }) => took.map(({ id }) => id))).toEqual([
      ["ucsf", "upenn"],
      ["ucsf", "upenn"],
    ]);
    expect(rounds[0].leftOut).toEqual([{ siteId: "tum", reason: "revoked: left the consortium", shareLost: 1 / 3 }]);
    expect(await codeOf(coordinator.revokeSite("tum", "again"))).toBe("site-unknown");

    federation.sites.push(await joinFake(coordinator, "tum", federation.folder));
    expect((await poll(federation.sites[2])).verdict.outcome).toBe("accepted");
    expect(revoked && (await codeOf(poll(revoked)))).toBe("certificate-untrusted");
    const next = await coordinator.submitStudy({
      study: smallStudy({ count: 1 }, { name: "next" }),
      initialParameters: smallParameters(),
    });
    expect(next.roster).toEqual(SITES);
    await runToEnd(federation);
    expect(coordinator.state().phase.kind).toBe("done");
    expect((await verifyHome(federation.home)).countersigned).toHaveLength(4);
  });

  test("is not asked to the next study", async () => {
    federation = await newFederation(SITES);
    await federation.coordinator.revokeSite("ucsf", "closed");
    await submitSmall(federation.coordinator);
    expect(federation.coordinator.status().study?.roster).toEqual(["tum", "upenn"]);
  });
});

describe("revoking in a phase", () => {
  const revoke = (siteId: string) => ({ kind: "site-revoked", siteId, reason: "gone", atMs: 35 }) as const;

  test("fails the study in words where the quorum is out of reach", () => {
    const all = smallStudy();
    const { phase } = stateAfter(...submitted(SITES, all), ...approvals(SITES, all), revoke("tum"));
    expect(phase).toMatchObject({
      kind: "failed",
      code: "quorum-not-reached",
      reason: expect.stringContaining("gone"),
    });
  });

  test("closes the round that waited for that site alone, and takes out what it gave", () => {
    const two = smallStudy({ quorum: 2 });
    const begun = [...submitted(SITES, two), ...approvals(SITES, two)];
    const waited = stateAfter(...begun, update("ucsf", 1, two), update("upenn", 1, two), revoke("tum")).phase;
    expect(waited.kind === "aggregating" && Object.keys(waited.updates)).toEqual(["ucsf", "upenn"]);
    const gave = stateAfter(...begun, update("tum", 1, two), update("ucsf", 1, two), revoke("tum")).phase;
    expect(gave.kind === "collecting" && Object.keys(gave.updates)).toEqual(["ucsf"]);
  });

  test("begins the first round where its decision alone was awaited", () => {
    const two = smallStudy({ quorum: 2 });
    const [, ...others] = approvals(SITES, two);
    expect(stateAfter(...submitted(SITES, two), ...others, revoke("tum")).phase.kind).toBe("collecting");
  });
});
