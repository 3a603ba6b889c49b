/** A coordinator with sites around it, in memory, on a real home. */

import { mkdir, readdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { canonicalJson, type Json, sha256 } from "../base/index.ts";
import { errorFromRecord, memoryLink, readCertificate } from "../protocol/index.ts";
import { initCoordinator, openCoordinator } from "./index.ts";
import { roundsOf } from "./settled-rounds.ts";
import {
  act,
  announcement,
  approvalOf,
  type FakeSite,
  joinFake,
  makeUpdate,
  poll,
  say,
  seal,
} from "./testing/fake-site.ts";
import { newFederation, runToEnd, submitSmall, type TestFederation } from "./testing/federations.ts";
import { smallParameters, smallStudy } from "./testing/studies.ts";

const SITES = ["tum", "ucsf", "upenn"];
let federation: TestFederation;

afterEach(() => federation.remove());

async function begin(siteIds: readonly string[] = SITES, study = smallStudy()): Promise<void> {
  federation = await newFederation(siteIds);
  await submitSmall(federation.coordinator, study);
  for (const site of federation.sites) await act(site);
}
function stateJson(): string {
  return canonicalJson(federation.coordinator.state() as unknown as Json);
}
function finalSha(): string {
  const { phase } = federation.coordinator.state();
  return phase.kind === "done" ? `${phase.final.sha256} ${phase.best.sha256} ${phase.bestRound}` : phase.kind;
}
async function refusalOf(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  return (error as { code?: string } | undefined)?.code ?? "accepted";
}

describe("a study", () => {
  test("runs to its end, and says everything about it", async () => {
    federation = await newFederation(SITES);
    const study = await submitSmall(federation.coordinator, smallStudy({ count: 3 }));
    const ended = federation.coordinator.waitForStudyEnd();
    const stopped = AbortSignal.abort(new RangeError("stopped before"));
    await expect(federation.coordinator.waitForStudyEnd(stopped)).rejects.toThrow("stopped before");
    await runToEnd(federation);
    const { end, finalModel, bestModel } = await ended;
    expect(end.kind).toBe("done");
    expect(sha256(await readFile(finalModel?.path ?? ""))).toBe(finalModel?.sha256);
    expect(sha256(await readFile(bestModel?.path ?? ""))).toBe(bestModel?.sha256);
    const status = JSON.parse(JSON.stringify(federation.coordinator.status())) as ReturnType<
      typeof federation.coordinator.status
    >;
    expect(status.study).toMatchObject({ name: study.name, phase: "done", roundsInAll: 3, roster: SITES });
    expect(status.study?.rounds).toHaveLength(3);
    expect(status.study?.rounds[0].sites.map(({ id, share }) => [id, share])).toEqual(SITES.map((id) => [id, 1 / 3]));
    expect(status.study?.best?.round).toBe(bestModel?.round);
    expect(status.sites[0]).toMatchObject({ id: "tum", approved: true, cases: { training: 3, validation: 1 } });
    expect(status.trouble).toBeNull();
  });

  test("weighs sites by their cases, exactly", async () => {
    federation = await newFederation([]);
    for (const [i, siteId] of SITES.entries()) {
      federation.sites.push(await joinFake(federation.coordinator, siteId, federation.folder, 2 ** i));
    }
    await submitSmall(federation.coordinator, smallStudy({ count: 1 }));
    await runToEnd(federation);
    const [round] = roundsOf(federation.coordinator.state().study);
    expect(round.totalWeight).toBe(7);
    expect(round.shares.map(({ weight }) => weight)).toEqual([1, 2, 4]);
  });

  test("comes to the same model whatever coordinator was killed between any two messages", async () => {
    const unhurried = smallStudy({ deadlineS: 86_400 });
    federation = await newFederation(SITES);
    await submitSmall(federation.coordinator, unhurried);
    await runToEnd(federation);
    const undisturbed = finalSha();
    expect(undisturbed).toMatch(/^[0-9a-f]{64} /);
    await federation.remove();

    federation = await newFederation(SITES);
    await submitSmall(federation.coordinator, unhurried);
    await runToEnd(federation, async () => {
      const before = stateJson();
      const { kind } = federation.coordinator.state().phase;
      await federation.reopen();
      // Sums go on by themselves as soon as the coordinator is open.
      if (kind !== "aggregating") expect(stateJson()).toBe(before);
    });
    expect(finalSha()).toBe(undisturbed);
  });

  test("in which a site refuses ends, and the site that asks is told why", async () => {
    federation = await newFederation(SITES);
    await submitSmall(federation.coordinator);
    const [site, other] = federation.sites;
    const { directive } = await poll(site);
    if (directive.kind.case !== "review") throw new Error(directive.kind.case);
    const { studyHash, roster } = directive.kind.value;
    const refusal = approvalOf(studyHash, roster);
    Object.assign(refusal.value as object, { approved: false, reason: "no consent for this use" });
    await say(site, refusal, { studyHash });
    const told = await act(other);
    expect(told.told).toMatchObject({ case: "failed", value: { reason: expect.stringContaining("no consent") } });
    expect((await federation.coordinator.waitForStudyEnd()).end.kind).toBe("failed");
  });

  test("has its deadlines by the coordinator's clock", async () => {
    let nowMs = Date.now();
    federation = await newFederation(SITES, { nowMs: () => nowMs });
    await submitSmall(federation.coordinator, smallStudy({ quorum: 2 }));
    for (const site of federation.sites) await act(site);
    const [first, second] = federation.sites;
    await act(first);
    await act(second);
    expect(federation.coordinator.state().phase).toMatchObject({ kind: "collecting" });
    nowMs += 99_000;
    await federation.coordinator.tick();
    expect(federation.coordinator.state().phase).toMatchObject({ kind: "collecting" });
    nowMs += 2_000;
    await federation.coordinator.tick();
    const record = federation.coordinator.state().study;
    expect(["aggregating", "evaluating"]).toContain(federation.coordinator.state().phase.kind);
    expect(record).not.toBeNull();
  });
});

describe("a message", () => {
  test("sent twice is refused as a replay, by a coordinator that started anew too", async () => {
    await begin();
    const [site] = federation.sites;
    const replayed = site.sent[0];
    expect(await refusalOf(site.link.exchange(replayed))).toBe("message-replayed");
    await federation.reopen();
    expect(await refusalOf(site.link.exchange(replayed))).toBe("message-replayed");
    expect((await poll(site)).verdict.outcome).toBe("accepted");
  });

  test("signed by another key, or under another site's certificate, is refused", async () => {
    await begin();
    const [site, other] = federation.sites;
    const forged = seal({ ...site, keyPem: other.keyPem }, { case: "poll", value: {} });
    expect(await refusalOf(site.link.exchange(forged))).toBe("signature-invalid");
    expect(await refusalOf(other.link.exchange(seal(site, { case: "poll", value: {} })))).toBe("signature-invalid");
  });

  test("of a site that was not invited, or joined anew since, is refused", async () => {
    await begin();
    const [site] = federation.sites;
    const { keySha256 } = readCertificate(site.enrolment.certificatePem);
    const stranger = memoryLink(federation.coordinator.service, { siteId: "stranger", keySha256 });
    expect(await refusalOf(stranger.exchange(seal(site, { case: "poll", value: {} })))).toBe("site-unknown");
    expect(
      await refusalOf(stranger.fetchObject({ sha256: "a".repeat(64), bytes: 1, toFile: join(federation.folder, "x") })),
    ).toBe("site-unknown");
    await joinFake(federation.coordinator, site.siteId, federation.folder);
    expect(await refusalOf(poll(site))).toBe("certificate-untrusted");
  });

  test("that asks for work is journalled where it has news of its site, and only then", async () => {
    federation = await newFederation(["tum"]);
    const [site] = federation.sites;
    const { coordinator } = federation;
    const asks = async (cases: number): Promise<number> => {
      await poll(Object.assign(site, { cases }));
      return coordinator.journal.head().number;
    };
    const first = await asks(3);
    expect([await asks(3), await asks(3)]).toEqual([first, first]);
    expect(await asks(4)).toBe(first + 1);
    expect(coordinator.state().sites.tum.data?.trainingCases).toBe(4);
    expect(await asks(4)).toBe(first + 1);
  });

  test("that holds nonsense is rejected in words, signed, and the next is taken", async () => {
    await begin();
    const [site] = federation.sites;
    const { directive } = await poll(site);
    if (directive.kind.case !== "train") throw new Error(directive.kind.case);
    const order = directive.kind.value;
    const nonsense = announcement(site, order, { sha256: "no digest", bytes: 40 });
    const { verdict } = await say(site, nonsense, order);
    expect(verdict).toMatchObject({ outcome: "rejected", code: "message-invalid", expected: "a SHA-256" });
    const nan = announcement(site, order, { sha256: "a".repeat(64), bytes: 40 });
    Object.assign(nan.value as object, { meanLoss: Number.NaN });
    expect((await say(site, nan, order)).verdict.code).toBe("update-not-finite");
    expect((await act(site)).said?.verdict.outcome).toBe("accepted");
  });
});

describe("an update", () => {
  async function offered(site: FakeSite) {
    const { directive } = await poll(site);
    if (directive.kind.case !== "train") throw new Error(directive.kind.case);
    return directive.kind.value;
  }
  async function sendBytes(site: FakeSite, bytes: Uint8Array): Promise<{ sha256: string; bytes: number }> {
    const fromFile = join(federation.folder, "bytes");
    await writeFile(fromFile, bytes);
    await site.link.sendObject({ sha256: sha256(bytes), fromFile });
    return { sha256: sha256(bytes), bytes: bytes.length };
  }

  test("of the wrong length is refused before it is sent, and when it is announced", async () => {
    await begin();
    const [site] = federation.sites;
    const order = await offered(site);
    expect(await refusalOf(sendBytes(site, new Uint8Array(44)))).toBe("update-shape");
    const { verdict } = await say(site, announcement(site, order, { sha256: "a".repeat(64), bytes: 44 }), order);
    expect(verdict).toMatchObject({ outcome: "rejected", code: "update-shape", actual: "44 bytes" });
  });

  test("announced without its object, for another round, or out of range is refused", async () => {
    await begin();
    const [site] = federation.sites;
    const order = await offered(site);
    const absent = announcement(site, order, { sha256: "a".repeat(64), bytes: 40 });
    expect((await say(site, absent, order)).verdict.code).toBe("object-missing");
    const early = announcement(site, { ...order, round: 2 }, { sha256: "a".repeat(64), bytes: 40 });
    expect((await say(site, early, order)).verdict.code).toBe("update-wrong-round");
    const huge = await sendBytes(site, new Uint8Array(new Int32Array(10).fill(2 ** 30).buffer));
    expect((await say(site, announcement(site, order, huge), order)).verdict.code).toBe("update-out-of-range");
    expect((await act(site)).said?.verdict.outcome).toBe("accepted");
  });

  test("is taken up again where its sending broke, after a restart of the coordinator", async () => {
    await begin(SITES, smallStudy());
    const [site] = federation.sites;
    const order = await offered(site);
    const update = await makeUpdate(site, order.globalSha256, Number(order.globalBytes));
    const { keySha256 } = readCertificate(site.enrolment.certificatePem);
    const peer = { siteId: site.siteId, keySha256 };
    const bytes = await readFile(update.file);
    const piece = { sha256: update.sha256, totalBytes: 40 };
    const { service } = federation.coordinator;
    expect(await service.writeObject(peer, { ...piece, offset: 0, bytes: bytes.subarray(0, 12) })).toBe(12);
    expect(await refusalOf(service.writeObject(peer, { ...piece, offset: 20, bytes: bytes.subarray(20) }))).toBe(
      "object-refused",
    );
    const again = (await federation.reopen()).service;
    expect(await again.heldBytes(peer, piece)).toBe(12);
    expect(await again.writeObject(peer, { ...piece, offset: 12, bytes: bytes.subarray(12) })).toBe(40);
    expect((await say(site, announcement(site, order, update), order)).verdict.outcome).toBe("accepted");
  });

  test("of another digest than was said is dropped", async () => {
    await begin();
    const [site] = federation.sites;
    const { keySha256 } = readCertificate(site.enrolment.certificatePem);
    const peer = { siteId: site.siteId, keySha256 };
    const chunk = { sha256: "b".repeat(64), offset: 0, totalBytes: 40, bytes: new Uint8Array(40) };
    expect(await refusalOf(federation.coordinator.service.writeObject(peer, chunk))).toBe("object-corrupt");
    expect(await federation.coordinator.service.heldBytes(peer, chunk)).toBe(0);
  });

  test("of one site is never another's to read, nor is anything else of the disk", async () => {
    await begin();
    const [site, other] = federation.sites;
    await act(site);
    const update = federation.coordinator.state().phase;
    if (update.kind !== "collecting") throw new Error(update.kind);
    const toFile = join(federation.folder, "stolen");
    const stolen = other.link.fetchObject({ sha256: update.updates[site.siteId].sha256, bytes: 40, toFile });
    expect(await refusalOf(stolen)).toBe("object-refused");
    expect(await refusalOf(sendBytes(site, new Uint8Array(40)))).toBe("object-refused");
  });

  test("that a site sends when the coordinator closes is whole on disk before the home is let go", async () => {
    await begin();
    const [{ siteId, enrolment }] = federation.sites;
    const { keySha256 } = readCertificate(enrolment.certificatePem);
    const bytes = new Uint8Array(40);
    const piece = { sha256: sha256(bytes), offset: 0, totalBytes: 40, bytes };
    // Whoever asked is gone: a connection that broke, a site that was stopped.
    void federation.coordinator.service.writeObject({ siteId, keySha256 }, piece);
    await federation.coordinator.close();
    expect(await readdir(join(federation.home, "objects", "incoming", siteId))).toEqual([piece.sha256]);
    await federation.reopen();
  });

  test("takes the place of what the site sent before and never announced", async () => {
    await begin();
    const [site] = federation.sites;
    for (const fill of [1, 2, 3]) await sendBytes(site, new Uint8Array(40).fill(fill));
    expect(await readdir(join(federation.home, "objects", "incoming", site.siteId))).toHaveLength(1);
  });

  test("goes with its round by the study's retention", async () => {
    federation = await newFederation(SITES);
    await submitSmall(federation.coordinator, smallStudy({ count: 3 }, { retain: "none" }));
    await runToEnd(federation);
    await federation.reopen();
    await federation.coordinator.close();
    const left = (await readdir(join(federation.home, "objects"), { recursive: true })).filter((name) =>
      name.includes("/"),
    );
    const { phase, study } = federation.coordinator.state();
    if (phase.kind !== "done" || study === null) throw new Error(phase.kind);
    const bestOfRegions = Object.values(phase.bestByRegion ?? {}).map(({ model }) => model);
    const kept = new Set([study.initial, phase.final, phase.best, ...bestOfRegions].map(({ sha256 }) => sha256));
    expect(new Set(left.map((name) => name.slice(3)))).toEqual(kept);
    federation.coordinator = await openCoordinator({ home: federation.home });
  });
});

describe("a disk", () => {
  test("that changed an update fails the study by its site and digest, instead of using it", async () => {
    await begin();
    const [site, ...others] = federation.sites;
    await act(site);
    const incoming = join(federation.home, "objects", "incoming", site.siteId);
    const [name] = await readdir(incoming);
    await writeFile(join(incoming, name), new Uint8Array(40));
    for (const other of others) await act(other);
    const { end } = await federation.coordinator.waitForStudyEnd();
    expect(end).toMatchObject({
      kind: "failed",
      code: "object-corrupt",
      reason: expect.stringContaining(`update of site ${site.siteId}`),
    });
    expect(federation.coordinator.status().trouble?.message).toContain("object-corrupt");
  });

  test("that is full refuses the upload by its code, and the coordinator goes on", async () => {
    await begin();
    const [site, other] = federation.sites;
    const order = (await poll(site)).directive.kind;
    if (order.case !== "train") throw new Error(order.case);
    const update = await makeUpdate(site, order.value.globalSha256, Number(order.value.globalBytes));
    const incoming = join(federation.home, "objects", "incoming", site.siteId);
    await mkdir(incoming, { recursive: true });
    await symlink("/dev/full", join(incoming, `${update.sha256}.part`));
    expect(await refusalOf(site.link.sendObject({ sha256: update.sha256, fromFile: update.file }))).toBe("disk-full");
    expect((await act(other)).said?.verdict.outcome).toBe("accepted");
    await rm(join(incoming, `${update.sha256}.part`));
    expect((await act(site)).said?.verdict.outcome).toBe("accepted");
  });

  test("that cannot be written to refuses the upload by its code", async () => {
    await begin();
    const [site] = federation.sites;
    await writeFile(join(federation.home, "objects", "incoming", site.siteId), "a file where a folder should be");
    expect(await refusalOf(act(site))).toBe("folder-not-writable");
    expect((await poll(site)).verdict.outcome).toBe("accepted");
  });
});

describe("a home", () => {
  test("is one coordinator's at a time", async () => {
    federation = await newFederation([]);
    expect(await refusalOf(openCoordinator({ home: federation.home }))).toBe("home-locked");
    await federation.reopen();
  });

  test("is refused where it is none, and made once", async () => {
    federation = await newFederation([]);
    expect(await refusalOf(openCoordinator({ home: federation.folder }))).toBe("home-invalid");
    const init = { home: federation.home, name: "Again", listen: "127.0.0.1:0", nowMs: 0 };
    expect(await refusalOf(initCoordinator(init))).toBe("file-exists");
    expect(await refusalOf(initCoordinator({ ...init, home: join(federation.folder, "b"), listen: "nowhere" }))).toBe(
      "usage",
    );
    expect(await refusalOf(initCoordinator({ ...init, home: join(federation.folder, "b"), name: "" }))).toBe("usage");
    const anywhere = { ...init, home: join(federation.folder, "b"), listen: "0.0.0.0:7443" };
    expect(await refusalOf(initCoordinator(anywhere))).toBe("usage");
    expect((await initCoordinator({ ...anywhere, address: "hospital.example:7443" })).address).toBe(
      "hospital.example:7443",
    );
  });

  test("keeps its keys to its owner", async () => {
    federation = await newFederation(["upenn"]);
    for (const file of ["authority.pem", "server.pem", "invitations.json"]) {
      expect((await stat(join(federation.home, file))).mode & 0o077).toBe(0);
    }
    expect((await stat(federation.home)).mode & 0o077).toBe(0);
  });
});

describe("a study to submit", () => {
  test("names its network file by digest, and is refused with another", async () => {
    federation = await newFederation(["upenn"]);
    const file = join(federation.folder, "model.onnx");
    await writeFile(file, "not this");
    const study = { ...smallStudy(), network: { kind: "onnx" as const, file: "model.onnx", sha256: "a".repeat(64) } };
    const initialParameters = smallParameters();
    const submit = (modelFile?: string) => federation.coordinator.submitStudy({ study, initialParameters, modelFile });
    expect(await refusalOf(submit(file))).toBe("study-invalid");
    expect(await refusalOf(submit())).toBe("study-invalid");
    expect(await refusalOf(submit(join(federation.folder, "absent")))).toBe("study-invalid");
    const named = { ...study, network: { ...study.network, sha256: sha256("not this") } };
    await federation.coordinator.submitStudy({ study: named, initialParameters, modelFile: file });
    const { directive } = await poll(federation.sites[0]);
    expect(directive.kind).toMatchObject({ case: "review", value: { networkBytes: 8n } });
    const toFile = join(federation.folder, "fetched");
    await federation.sites[0].link.fetchObject({ sha256: sha256("not this"), bytes: 8, toFile });
    expect(await readFile(toFile, "utf8")).toBe("not this");
  });

  test("says whose invitation is still open", async () => {
    federation = await newFederation(["upenn"]);
    await federation.coordinator.invite({ siteId: "late" });
    const submitted = await federation.coordinator.submitStudy({
      study: smallStudy(),
      initialParameters: smallParameters(),
    });
    expect(submitted).toMatchObject({ roster: ["upenn"], notJoined: ["late"] });
  });
});

describe("a refusal record", () => {
  test("of another version keeps its words", () => {
    const error = errorFromRecord({ code: "new-code", subject: "s", expected: "e", actual: "a", hint: "h" });
    expect(error).toMatchObject({ code: "internal", actual: "a (new-code)" });
    return begin([SITES[0]]);
  });
});
