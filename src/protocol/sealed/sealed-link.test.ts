/** A real proxy that ends TLS between a site and the coordinator's port: what passes, what it sees, what it can spoil. */
import { createCipheriv } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create, toBinary } from "@bufbuild/protobuf";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Clock, createRandom, LIMITS, sha256, systemClock } from "../../base/index.ts";
import { certificateToDer } from "../certificates.ts";
import {
  type CoordinatorLink,
  connectLink,
  createSiteKey,
  enrol,
  enrolSealed,
  type FederationServer,
  type Peer,
  readPrivateKey,
  type SignedEnvelope,
  SignedEnvelopeSchema,
  SiteMessageSchema,
  sealedLink,
  sealSiteMessage,
} from "../index.ts";
import { type FakeFederation, fakeFederation } from "../testing/fake-federation.ts";
import { type Came, type TlsEndingProxy, tlsEndingProxy } from "../testing/tls-ending-proxy.ts";
import { PREFIX_BYTES, sealCall } from "./sealed-call.ts";
import { sealedLine } from "./sealed-link.ts";

const PLANTED = "planted-word-of-a-message";
const cleanup: (() => Promise<void>)[] = [];
let federation: FakeFederation;
let server: FederationServer;
let proxy: TlsEndingProxy;

beforeEach(async () => {
  federation = await fakeFederation();
  server = await serve({ allowSealed: true });
  proxy = await tlsEndingProxy();
  cleanup.push(() => proxy.close());
});
afterEach(async () => {
  for (const undo of cleanup.splice(0).reverse()) await undo();
});

async function serve(options: { allowSealed?: boolean; listen?: string; clock?: Clock }): Promise<FederationServer> {
  const started = await federation.serve(options);
  cleanup.push(() => started.close());
  return started;
}

const environment = () => ({ HTTPS_PROXY: proxy.url });

interface SealedSite {
  readonly link: CoordinatorLink;
  readonly site: Awaited<ReturnType<FakeFederation["join"]>>;
}

async function sealedSite(address = server.address): Promise<SealedSite> {
  const site = await federation.join("upenn");
  const link = sealedLink({ ...site, address, proxyCaPem: proxy.caPem, environment: environment() });
  cleanup.push(() => link.close());
  return { link, site };
}

function poll(keyPem: string): SignedEnvelope {
  return sealSiteMessage({
    siteId: "upenn",
    key: readPrivateKey(keyPem),
    studyHash: "",
    round: 0,
    attempt: 0,
    sequence: 1,
    timeMs: systemClock.nowMs(),
    message: create(SiteMessageSchema, { kind: { case: "poll", value: { activity: PLANTED } } }),
  });
}

/** @returns how many messages have reached the coordinator's service from now on */
function countedExchanges(): () => number {
  let reached = 0;
  const { exchange } = federation.service;
  const counted: typeof exchange = (...given) => {
    reached++;
    return exchange(...given);
  };
  Object.assign(federation.service, { exchange: counted });
  return () => reached;
}

async function madeObject(bytes: number) {
  const folder = await mkdtemp(join(tmpdir(), "consilium-sealed-"));
  cleanup.push(() => rm(folder, { recursive: true, force: true }));
  const content = createCipheriv("aes-128-ctr", Buffer.alloc(16), Buffer.alloc(16)).update(Buffer.alloc(bytes));
  const fromFile = join(folder, "object");
  await writeFile(fromFile, content);
  return { folder, content, fromFile, sha256: sha256(content) };
}

function expectUnseen(...secrets: readonly (string | Buffer)[]): void {
  const seen = proxy.seen();
  // It sees what it is to see: were it blind, nothing below would mean anything.
  expect(seen.includes("GET /sealed/key?challenge=")).toBe(true);
  for (const secret of secrets) expect(seen.includes(secret)).toBe(false);
}

describe("through a proxy that ends TLS", () => {
  test("a site joins, speaks and moves objects both ways, and the proxy reads nothing of it", async () => {
    const invitation = federation.invitation("upenn", server.address);
    const keyPem = createSiteKey();
    const joining = { invitation, keyPem, productVersion: "0.1.0-planted", nowMs: systemClock.nowMs() };
    const site = await enrolSealed(joining, { proxyCaPem: proxy.caPem, environment: environment() });
    expect(site.federationName).toBe("Test federation");
    const peers: Peer[] = [];
    const { exchange } = federation.service;
    Object.assign(federation.service, {
      exchange: (peer: Peer, envelope: SignedEnvelope) => {
        peers.push(peer);
        return exchange(peer, envelope);
      },
    });
    const way = { address: server.address, proxyCaPem: proxy.caPem, environment: environment() };
    const link = sealedLink({ ...site, ...way, keyPem });
    cleanup.push(() => link.close());
    const reply = await link.exchange(poll(keyPem));
    expect(Buffer.from(reply.body).includes(PLANTED)).toBe(true);
    expect(peers).toMatchObject([{ siteId: "upenn", sealed: true }]);

    const { folder, content, fromFile, sha256: digest } = await madeObject(5_000_000);
    await link.sendObject({ sha256: digest, fromFile });
    expect(Buffer.compare(federation.objects.get(digest) ?? Buffer.alloc(0), content)).toBe(0);
    await link.fetchObject({ sha256: digest, bytes: content.length, toFile: join(folder, "back") });
    expect(Buffer.compare(await readFile(join(folder, "back")), content)).toBe(0);

    const pieces = [content.subarray(0, 32), content.subarray(2_500_000, 2_500_032), content.subarray(-32)];
    const binary = Buffer.from(digest, "hex");
    expectUnseen(
      PLANTED,
      "upenn",
      "0.1.0-planted",
      "Test federation/",
      invitation.invitationId,
      digest,
      binary,
      ...pieces,
    );
    const longest = Math.max(...[...proxy.requests, ...proxy.answers].map(({ body }) => body.length));
    expect(longest).toBeLessThan(8 << 20);
    expect(longest).toBeGreaterThan(4 << 20);
  });

  test("a site that did not choose so refuses, as does one that does not know the proxy's authority", async () => {
    const site = await federation.join("upenn");
    const options = { ...site, address: server.address, environment: environment() };
    const mutual = connectLink(options);
    const unknown = sealedLink(options);
    cleanup.push(
      () => mutual.close(),
      () => unknown.close(),
    );
    const refusal = { code: "certificate-untrusted", hint: expect.stringContaining("--through-tls-proxy") };
    await expect(mutual.exchange(poll(site.keyPem))).rejects.toMatchObject(refusal);
    await expect(unknown.exchange(poll(site.keyPem))).rejects.toMatchObject({ code: "certificate-untrusted" });
    const invitation = federation.invitation("upenn", server.address);
    const joining = { invitation, keyPem: createSiteKey(), productVersion: "0", nowMs: systemClock.nowMs() };
    await expect(enrol(joining, environment())).rejects.toMatchObject(refusal);
    expect(proxy.requests).toEqual([]);
  });

  test("a coordinator that did not allow it refuses, and says how it is allowed", async () => {
    const closed = await serve({});
    const { link, site } = await sealedSite(closed.address);
    await expect(link.exchange(poll(site.keyPem))).rejects.toMatchObject({
      code: "sealing-refused",
      hint: expect.stringContaining("--allow-sealed"),
    });
    const invitation = federation.invitation("upenn", closed.address);
    const joining = { invitation, keyPem: createSiteKey(), productVersion: "0", nowMs: systemClock.nowMs() };
    const way = { proxyCaPem: proxy.caPem, environment: environment() };
    await expect(enrolSealed(joining, way)).rejects.toMatchObject({ code: "sealing-refused" });
  });

  test("an invitation of another federation is refused before anything is sent", async () => {
    const other = await fakeFederation();
    const invitation = other.invitation("upenn", server.address);
    const joining = { invitation, keyPem: createSiteKey(), productVersion: "0", nowMs: systemClock.nowMs() };
    const way = { proxyCaPem: proxy.caPem, environment: environment() };
    await expect(enrolSealed(joining, way)).rejects.toMatchObject({ code: "certificate-untrusted", actual: "another" });
    expect(proxy.requests.map(({ method }) => method)).toEqual(["GET"]);
  });

  test("a key of another federation's coordinator, or of another site's making, is not sealed to", async () => {
    const { link, site } = await sealedSite();
    const other = await fakeFederation();
    const elsewhere = await other.serve({ allowSealed: true });
    cleanup.push(() => elsewhere.close());
    const fromElsewhere = async (): Promise<Came> => {
      const [asked] = proxy.requests;
      return proxy.repeat(asked, elsewhere.address);
    };
    await link.exchange(poll(site.keyPem));
    const foreign = await fromElsewhere();
    const again = (await sealedSite()).link;
    proxy.meddle.answer = (came, { method }) => (method === "GET" ? foreign : came);
    await expect(again.exchange(poll(site.keyPem))).rejects.toMatchObject({ code: "certificate-untrusted" });
    const [old] = proxy.answers;
    proxy.meddle.answer = (came, { method }) => (method === "GET" ? old : came);
    await expect(again.exchange(poll(site.keyPem))).rejects.toMatchObject({
      code: "message-replayed",
      subject: "the coordinator's key",
    });
    expect(proxy.requests.filter(({ method }) => method === "POST")).toHaveLength(1);
  });

  const places = {
    "the key's name": [1, "sealing-key-unknown"],
    "the encapsulated key": [30, "sealing-invalid"],
    "the head's length": [PREFIX_BYTES - 1, "sealing-invalid"],
    "the head": [PREFIX_BYTES + 5, "sealing-invalid"],
    "the body": [-1, "sealing-invalid"],
    "the version": [0, "protocol-version"],
  } as const;
  test.each(Object.entries(places))("a call altered in %s is refused, and reaches nobody", async (_, [at, code]) => {
    const { link, site } = await sealedSite();
    const reached = countedExchanges();
    await link.exchange(poll(site.keyPem));
    expect(reached()).toBe(1);
    proxy.meddle.request = (passed) => {
      if (passed.method !== "POST") return passed;
      const body = Buffer.from(passed.body);
      body[at < 0 ? body.length + at : at] ^= 1;
      return { ...passed, body };
    };
    await expect(link.exchange(poll(site.keyPem))).rejects.toMatchObject({ code });
    expect(reached()).toBe(1);
  });

  test("a call that is cut short or made longer is refused", async () => {
    const { link, site } = await sealedSite();
    for (const change of [(body: Buffer) => body.subarray(0, -1), (body: Buffer) => Buffer.concat([body, body])]) {
      proxy.meddle.request = (passed) => {
        if (passed.method !== "POST") return passed;
        const body = change(passed.body);
        return { ...passed, body, headers: { ...passed.headers, "content-length": String(body.length) } };
      };
      await expect(link.exchange(poll(site.keyPem))).rejects.toMatchObject({ code: "sealing-invalid" });
    }
  });

  test("an answer that was altered, cut, or is another call's is refused", async () => {
    const { link, site } = await sealedSite();
    await link.exchange(poll(site.keyPem));
    const earlier = proxy.answers[proxy.answers.length - 1];
    const altered = (at: number) => (came: Came) => {
      const body = Buffer.from(came.body);
      body[at < 0 ? body.length + at : at] ^= 1;
      return { ...came, body };
    };
    const changes = [
      altered(0),
      altered(5),
      altered(40),
      altered(-1),
      (came: Came) => ({ ...came, body: came.body.subarray(0, 10) }),
      (came: Came) => ({ ...came, body: Buffer.alloc(0) }),
      () => earlier,
    ];
    for (const change of changes) {
      proxy.meddle.answer = change;
      await expect(link.exchange(poll(site.keyPem))).rejects.toMatchObject({ code: "sealing-invalid" });
    }
    proxy.meddle.answer = (came) => ({ ...came, body: Buffer.alloc(20 << 20) });
    await expect(link.exchange(poll(site.keyPem))).rejects.toMatchObject({ code: "unreachable" });
  });

  test("answers of two calls that pass at one time cannot be swapped", async () => {
    const { link, site } = await sealedSite();
    await link.exchange(poll(site.keyPem));
    const { sha256: digest, fromFile } = await madeObject(100);
    federation.objects.set(digest, await readFile(fromFile));
    const other = Buffer.alloc(100, 7);
    federation.objects.set(sha256(other), other);
    const fetched = [digest, sha256(other)].map((each, i) =>
      link.fetchObject({ sha256: each, bytes: 100, toFile: `${fromFile}-${i}` }),
    );
    const first = await new Promise<Came>((resolve) => {
      let held: Came | undefined;
      proxy.meddle.answer = (came) => {
        if (held === undefined) {
          held = came;
          resolve(came);
          return came;
        }
        return held;
      };
    });
    expect(first.status).toBe(200);
    const outcomes = await Promise.allSettled(fetched);
    expect(outcomes.filter(({ status }) => status === "rejected")).toMatchObject([
      { reason: { code: "sealing-invalid" } },
    ]);
  });

  test("a call that comes twice is taken once, and not at all by a coordinator that was started anew", async () => {
    const { link, site } = await sealedSite();
    const reached = countedExchanges();
    await link.exchange(poll(site.keyPem));
    const call = proxy.requests[proxy.requests.length - 1];
    const answer = proxy.answers[proxy.answers.length - 1];
    const again = await proxy.repeat(call, server.address);
    expect(again.status).toBe(200);
    expect(again.body.equals(answer.body)).toBe(false);
    expect(reached()).toBe(1);
    const { address } = server;
    await server.close();
    await serve({ allowSealed: true, listen: address });
    const later = await proxy.repeat(call, address);
    expect(later.status).toBe(409);
    expect(decodeURIComponent(String(later.headers["consilium-refusal"]))).toContain('"code":"sealing-key-unknown"');
    expect(reached()).toBe(1);
    // The site asks for the new key and goes on.
    await link.exchange(poll(site.keyPem));
    expect(reached()).toBe(2);
  });

  test("a call that comes late is refused though its number is forgotten, and a clock that was set is followed", async () => {
    let aheadMs = 0;
    const set = await serve({ allowSealed: true, clock: { nowMs: () => systemClock.nowMs() + aheadMs } });
    const { link, site } = await sealedSite(set.address);
    const reached = countedExchanges();
    await link.exchange(poll(site.keyPem));
    const call = proxy.requests[proxy.requests.length - 1];
    aheadMs = 3 * LIMITS.sealedCallWindowMs;
    expect((await proxy.repeat(call, set.address)).status).toBe(200);
    expect(reached()).toBe(1);
    // The site's next call is off by as much; it asks for the coordinator's time and key, and seals the call again.
    await link.exchange(poll(site.keyPem));
    expect(reached()).toBe(2);
    expect((await proxy.repeat(call, set.address)).status).toBe(200);
    expect(reached()).toBe(2);
    expect(proxy.requests.filter(({ method }) => method === "GET")).toHaveLength(2);
  });

  test("what a site hears of a call that came before it is sealed, and says so", async () => {
    const { link, site } = await sealedSite();
    await link.exchange(poll(site.keyPem));
    // The proxy passes each call on twice, and hands the site the second answer.
    proxy.meddle.request = async (passed) => {
      await proxy.repeat(passed, server.address);
      return proxy.repeat(passed, server.address);
    };
    federation.objects.set("b".repeat(64), Buffer.alloc(100, 7));
    const { folder } = await madeObject(1);
    const fetching = link.fetchObject({ sha256: "b".repeat(64), bytes: 100, toFile: join(folder, "b") });
    await expect(fetching).rejects.toMatchObject({ code: "message-replayed", subject: "sealed call" });
  });

  test("refusals that the proxy makes up are not believed", async () => {
    const { link, site } = await sealedSite();
    const record = { code: "site-revoked", subject: "x", expected: "x", actual: "x", hint: "x" };
    const headers = { "consilium-refusal": encodeURIComponent(JSON.stringify(record)) };
    proxy.meddle.answer = () => ({ status: 403, headers, body: Buffer.alloc(0) });
    await expect(link.exchange(poll(site.keyPem))).rejects.toMatchObject({ code: "unreachable" });
    proxy.meddle.answer = () => ({ status: 502, headers: {}, body: Buffer.from("<html>") });
    await expect(link.exchange(poll(site.keyPem))).rejects.toMatchObject({ code: "unreachable" });
  });

  test("a refusal of the coordinator comes through, sealed", async () => {
    const { link } = await sealedSite();
    const { folder } = await madeObject(1);
    const missing = link.fetchObject({ sha256: "a".repeat(64), bytes: 10, toFile: join(folder, "a") });
    await expect(missing).rejects.toMatchObject({ code: "object-missing" });
    expectUnseen("object-missing", "aaaaaaaaaaaa");
  });

  test("a site of another federation, or with a certificate that is not its key's, is refused", async () => {
    const other = await fakeFederation();
    const stranger = await other.join("upenn");
    const here = await federation.join("upenn");
    const way = { address: server.address, proxyCaPem: proxy.caPem, environment: environment() };
    const { authorityPem } = here;
    const foreign = sealedLink({ ...stranger, ...way, authorityPem });
    const borrowed = sealedLink({ ...here, ...way, keyPem: stranger.keyPem });
    cleanup.push(
      () => foreign.close(),
      () => borrowed.close(),
    );
    await expect(foreign.exchange(poll(stranger.keyPem))).rejects.toMatchObject({ code: "certificate-untrusted" });
    await expect(borrowed.exchange(poll(here.keyPem))).rejects.toMatchObject({ code: "signature-invalid" });
  });

  test("a certificate of the coordinator's that takes over is followed", async () => {
    const { link, site } = await sealedSite();
    await link.exchange(poll(site.keyPem));
    server.show(federation.coordinator, federation.authority.certificatePem);
    await link.exchange(poll(site.keyPem));
    expect(proxy.requests.filter(({ method }) => method === "GET")).toHaveLength(1);
  });
});

describe("the port over HTTP/1.1", () => {
  test("waits for so many slow bodies of one site and no more, and keeps no other site out", async () => {
    const { link, site } = await sealedSite();
    const way = { address: server.address, proxyCaPem: proxy.caPem, environment: environment() };
    const line = sealedLine({ ...way, believed: { authorityPem: site.authorityPem } });
    cleanup.push(async () => line.close());
    const ownOf = ({ keyPem, certificatePem }: typeof site) => {
      return { key: readPrivateKey(keyPem), certificateDer: certificateToDer(certificatePem) };
    };
    const to = await line.key();
    const slow = Array.from({ length: LIMITS.sealedCallsAtOnce }, () => {
      const call = { to, call: { kind: "probe-up" }, body: new Uint8Array(100), timeMs: to.timeMs } as const;
      const { bytes } = sealCall({ ...call, own: ownOf(site) });
      const headers = { host: server.address, "content-length": bytes.length };
      const sending = request(`https://${server.address}/sealed`, {
        method: "POST",
        headers,
        rejectUnauthorized: false,
      });
      sending.write(bytes.subarray(0, -1));
      return { sending, last: bytes.subarray(-1) };
    });
    const tried = (): Promise<string> =>
      link.exchange(poll(site.keyPem)).then(
        () => "taken",
        ({ code, subject }: { code: string; subject: string }) => `${code}: ${subject}`,
      );
    await expect.poll(tried).toBe("unreachable: coordinator, calls of a site");
    const other = await line.ask(
      { kind: "probe-down", bytes: 7 },
      new Uint8Array(),
      ownOf(await federation.join("mayo")),
    );
    expect(other.body).toHaveLength(7);
    for (const { sending, last } of slow) {
      const answered = once(sending, "response");
      sending.end(last);
      const [response] = await answered;
      expect(response.statusCode).toBe(200);
      response.resume();
    }
    expect(await tried()).toBe("taken");
  });

  test("answers nothing but sealed calls, whatever is sent", async () => {
    const random = createRandom("junk", 1);
    const base = { method: "POST", path: "/sealed", headers: { host: server.address }, body: Buffer.alloc(0) };
    const codes = new Set<string>();
    for (let each = 0; each < 60; each++) {
      const body = Buffer.from(Uint8Array.from({ length: random.integer(400) }, () => random.integer(256)));
      if (each % 2 === 0 && body.length > 0) body[0] = 1;
      const came = await proxy.repeat(
        { ...base, body, headers: { ...base.headers, "content-length": String(body.length) } },
        server.address,
      );
      expect([400, 409]).toContain(came.status);
      codes.add(JSON.parse(decodeURIComponent(String(came.headers["consilium-refusal"]))).code);
    }
    expect([...codes].sort()).toEqual(["protocol-version", "sealing-invalid", "sealing-key-unknown"]);
    for (const path of [
      `/objects/${"a".repeat(64)}`,
      "/probe",
      "/consilium.v1.Federation/Exchange",
      "/sealed/key",
      "/",
    ]) {
      const came = await proxy.repeat({ ...base, method: "GET", path }, server.address);
      expect(came.status).toBe(400);
      expect(decodeURIComponent(String(came.headers["consilium-refusal"]))).toContain("sealing-invalid");
    }
    const site = await federation.join("upenn");
    const link = connectLink({ ...site, address: server.address });
    cleanup.push(() => link.close());
    expect(toBinary(SignedEnvelopeSchema, await link.exchange(poll(site.keyPem))).length).toBeGreaterThan(100);
  });
});
