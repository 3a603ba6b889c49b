/** A coordinator on the network and commands from beside it: real TLS on loopback, real processes' ways of asking. */
import { readFile } from "node:fs/promises";
import { request } from "node:http";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { systemClock } from "../base/index.ts";
import { connectLink, createSiteKey, enrol, parseInvitation } from "../protocol/index.ts";
import {
  type AdminClient,
  adminClient,
  type CoordinatorServer,
  compareStudyModels,
  openCoordinator,
  startServer,
} from "./index.ts";
import { act, type FakeSite, poll } from "./testing/fake-site.ts";
import { newFederation, runToEnd, type TestFederation } from "./testing/federations.ts";
import { smallParameters, smallStudy } from "./testing/studies.ts";

let federation: TestFederation;
let server: CoordinatorServer | undefined;
let admin: AdminClient;

beforeEach(async () => {
  federation = await newFederation([]);
  server = await startServer(federation.coordinator);
  admin = adminClient(federation.home);
});
afterEach(async () => {
  for (const { link } of federation.sites) await link.close();
  await server?.close();
  server = undefined;
  await federation.remove();
});

async function joinOverTls(siteId: string, text?: string): Promise<FakeSite> {
  const given = text ?? (await admin.invite({ siteId })).text;
  const invitation = parseInvitation(given, "invitation", systemClock.nowMs());
  const keyPem = createSiteKey();
  const nowMs = systemClock.nowMs();
  const enrolment = await enrol({ invitation, keyPem, productVersion: "0.1.0", nowMs });
  const link = connectLink({ address: invitation.address, keyPem, ...enrolment });
  const site = { siteId, enrolment, keyPem, link, sequence: 0, sent: [], folder: federation.folder, cases: 3 };
  federation.sites.push(site);
  return site;
}

describe("a federation over TLS", () => {
  test("two studies that ended give models that are compared by site, running or stopped", async () => {
    for (const siteId of ["tum", "ucsf", "upenn"]) await joinOverTls(siteId);
    for (const name of ["First", "Second"]) {
      await admin.submitStudy({ study: smallStudy({}, { name }), initialParameters: smallParameters() });
      await runToEnd(federation);
    }
    const told = await admin.models();
    const { before, after, sites, paired, change } = compareStudyModels(told, {});
    expect([before.study, after.study, paired]).toEqual(["First", "Second", 3]);
    const changes = sites.map((site) => (site.after ?? Number.NaN) - (site.before ?? Number.NaN));
    expect(change?.mean).toBeCloseTo((changes[0] + changes[1] + changes[2]) / 3, 12);
    const first = await admin.result("First");
    expect(first?.bestModel?.sha256).toBe(told[1].best?.sha256);
    expect((await readFile(first?.bestModel?.path ?? "")).length).toBe(first?.bestModel?.bytes);
    expect((await admin.status(told[1].studyHash.slice(0, 8))).study).toMatchObject({ name: "First", phase: "done" });
    await expect(admin.result("Third")).rejects.toMatchObject({ code: "study-unknown" });
    for (const { link } of federation.sites) await link.close();
    await server?.close();
    server = undefined;
    await federation.coordinator.close();
    expect(await admin.models()).toEqual(told);
    expect(await admin.result("First")).toEqual(first);
    await federation.reopen();
  });

  test("runs a study to its end, steered by commands", async () => {
    for (const siteId of ["tum", "ucsf", "upenn"]) await joinOverTls(siteId);
    const submitted = await admin.submitStudy({ study: smallStudy(), initialParameters: smallParameters() });
    expect(submitted.roster).toEqual(["tum", "ucsf", "upenn"]);
    await runToEnd(federation);
    const status = await admin.status();
    expect(status).toMatchObject({ serving: true, study: { phase: "done", hash: submitted.hash } });
    const result = await admin.result();
    expect((await readFile(result?.finalModel?.path ?? "")).length).toBe(result?.finalModel?.bytes);
  });

  test("and the same in memory give the same model", async () => {
    for (const siteId of ["tum", "ucsf"]) await joinOverTls(siteId);
    await admin.submitStudy({ study: smallStudy(), initialParameters: smallParameters() });
    await runToEnd(federation);
    const overTls = federation.coordinator.result()?.finalModel?.sha256;
    const inMemory = await newFederation(["tum", "ucsf"]);
    await inMemory.coordinator.submitStudy({ study: smallStudy(), initialParameters: smallParameters() });
    await runToEnd(inMemory);
    expect(inMemory.coordinator.result()?.finalModel?.sha256).toBe(overTls);
    expect(overTls).toMatch(/^[0-9a-f]{64}$/);
    await inMemory.remove();
  });

  test("goes on with its sites after the coordinator was started anew on the same port", async () => {
    const site = await joinOverTls("upenn");
    await admin.submitStudy({ study: smallStudy(), initialParameters: smallParameters() });
    await act(site);
    const { address } = server as CoordinatorServer;
    await server?.close();
    await federation.coordinator.close();
    expect(await poll(site).catch((error: { code: string }) => error.code)).toBe("unreachable");
    federation.coordinator = await openCoordinator({ home: federation.home });
    server = await startServer(federation.coordinator);
    expect(server.address).toBe(address);
    expect((await act(site)).told.case).toBe("train");
  });
});

describe("an invitation", () => {
  test("serves once; the same key may ask again", async () => {
    const { text } = await admin.invite({ siteId: "upenn" });
    const invitation = parseInvitation(text, "invitation", systemClock.nowMs());
    const options = { invitation, keyPem: createSiteKey(), productVersion: "0", nowMs: systemClock.nowMs() };
    const first = await enrol(options);
    expect(await enrol(options)).toEqual(first);
    await expect(joinOverTls("upenn", text)).rejects.toMatchObject({ code: "invitation-used" });
  });

  test("of which the time has passed is refused by the coordinator too", async () => {
    const { text } = await admin.invite({ siteId: "upenn", validHours: 1e-9 });
    const { expiresMs } = JSON.parse(text) as { expiresMs: number };
    const invitation = parseInvitation(text, "invitation", expiresMs);
    await new Promise((resolve) => setTimeout(resolve, 5));
    const options = { invitation, keyPem: createSiteKey(), productVersion: "0", nowMs: systemClock.nowMs() };
    await expect(enrol(options)).rejects.toMatchObject({ code: "invitation-expired" });
  });

  test("of another federation, for another site, or with another secret is refused", async () => {
    const text = (await admin.invite({ siteId: "upenn" })).text;
    const invitation = parseInvitation(text, "invitation", systemClock.nowMs());
    const options = { keyPem: createSiteKey(), productVersion: "0", nowMs: systemClock.nowMs() };
    const wrong = [
      { ...invitation, siteId: "tum" },
      { ...invitation, secret: "B".repeat(43) },
      { ...invitation, invitationId: "0".repeat(32) },
    ];
    for (const changed of wrong) {
      await expect(enrol({ ...options, invitation: changed })).rejects.toMatchObject({ code: "invitation-invalid" });
    }
    const foreign = { ...invitation, caFingerprint: "0".repeat(64) };
    await expect(enrol({ ...options, invitation: foreign })).rejects.toMatchObject({ code: "certificate-untrusted" });
  });
});

describe("commands", () => {
  test("work on the home of a stopped coordinator, and on that of a running one", async () => {
    await server?.close();
    server = undefined;
    await federation.coordinator.close();
    const { text } = await admin.invite({ siteId: "upenn" });
    expect(await admin.status()).toMatchObject({ serving: false, invitations: [{ siteId: "upenn", used: false }] });
    federation.coordinator = await openCoordinator({ home: federation.home });
    server = await startServer(federation.coordinator);
    await joinOverTls("upenn", text);
    expect(await admin.status()).toMatchObject({ serving: true, invitations: [{ siteId: "upenn", used: true }] });
    expect(await admin.result()).toBeUndefined();
  });

  test("are refused with the coordinator's reason, and end a study in words", async () => {
    const study = smallStudy();
    const initialParameters = smallParameters();
    await expect(admin.submitStudy({ study, initialParameters })).rejects.toMatchObject({ code: "quorum-not-reached" });
    await expect(admin.invite({ siteId: "Not A Site" })).rejects.toMatchObject({ code: "message-invalid" });
    const site = await joinOverTls("upenn");
    await admin.submitStudy({ study, initialParameters });
    await expect(admin.submitStudy({ study, initialParameters })).rejects.toMatchObject({ code: "study-refused" });
    await admin.stopStudy("the wrong cohort");
    expect((await act(site)).told).toMatchObject({
      case: "failed",
      value: { reason: expect.stringContaining("the wrong cohort") },
    });
    expect((await admin.result())?.end).toMatchObject({ kind: "failed" });
  });

  test("without the token of the home are refused", async () => {
    const { port } = JSON.parse(await readFile(join(federation.home, "admin.json"), "utf8")) as { port: number };
    const ask = (authorization: string) =>
      new Promise<number | undefined>((resolve, reject) => {
        const options = { host: "127.0.0.1", port, path: "/models", headers: { authorization } };
        request(options, (response) => resolve(response.resume().statusCode))
          .on("error", reject)
          .end();
      });
    expect(await ask("Bearer wrong")).toBe(400);
    const { token } = JSON.parse(await readFile(join(federation.home, "admin.json"), "utf8")) as { token: string };
    expect(await ask(`Bearer ${token}`)).toBe(200);
  });
});
