/** Who gets in over real TLS, and what everybody else is told. */
import { connect as connectHttp2 } from "node:http2";
import { createServer, type Server } from "node:net";
import { create } from "@bufbuild/protobuf";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { systemClock } from "../base/index.ts";
import {
  connectLink,
  createSiteKey,
  enrol,
  type FederationServer,
  readPrivateKey,
  SignedEnvelopeSchema,
  SiteMessageSchema,
  sealSiteMessage,
} from "./index.ts";
import { type FakeFederation, fakeFederation } from "./testing/fake-federation.ts";

let federation: FakeFederation;
let server: FederationServer;
const cleanup: (() => Promise<void>)[] = [];

beforeEach(async () => {
  federation = await fakeFederation();
  server = await serve(federation);
});
afterEach(async () => {
  for (const close of cleanup.splice(0)) await close();
});

async function serve(of: FakeFederation): Promise<FederationServer> {
  const started = await of.serve();
  cleanup.push(() => started.close());
  return started;
}

function link(options: Parameters<typeof connectLink>[0]): ReturnType<typeof connectLink> {
  const opened = connectLink(options);
  cleanup.unshift(() => opened.close());
  return opened;
}

const nothing = create(SignedEnvelopeSchema, {});

describe("joining over TLS", () => {
  test("an invitation becomes a certificate with which the site is answered", async () => {
    const keyPem = createSiteKey();
    const invitation = federation.invitation("upenn", server.address);
    const site = await enrol({ invitation, keyPem, productVersion: "0.1.0", nowMs: systemClock.nowMs() });
    expect(site.federationName).toBe("Test federation");
    const request = sealSiteMessage({
      siteId: "upenn",
      key: readPrivateKey(keyPem),
      studyHash: "",
      round: 0,
      attempt: 0,
      sequence: 1,
      timeMs: 0,
      message: create(SiteMessageSchema, { kind: { case: "poll", value: {} } }),
    });
    const reply = await link({ address: server.address, ...site, keyPem }).exchange(request);
    expect(reply.signature).toHaveLength(64);
  });

  test("an invitation of another federation is refused before anything is sent", async () => {
    const other = await fakeFederation();
    const invitation = other.invitation("upenn", server.address);
    let asked = false;
    Object.assign(federation.service, { enrol: async () => (asked = true) });
    await expect(
      enrol({ invitation, keyPem: createSiteKey(), productVersion: "0", nowMs: systemClock.nowMs() }),
    ).rejects.toMatchObject({ code: "certificate-untrusted", actual: "another" });
    expect(asked).toBe(false);
  });

  test("a wrong secret is refused", async () => {
    const invitation = { ...federation.invitation("upenn", server.address), secret: "A".repeat(43) };
    await expect(
      enrol({ invitation, keyPem: createSiteKey(), productVersion: "0", nowMs: systemClock.nowMs() }),
    ).rejects.toMatchObject({ code: "invitation-invalid" });
  });
});

describe("who is let in", () => {
  test("a caller without a certificate is told to join", async () => {
    const session = connectHttp2(`https://${server.address}`, { ca: federation.authority.certificatePem });
    const status = await new Promise((resolve, reject) => {
      session.on("error", reject);
      const stream = session.request({ ":path": `/objects/${"a".repeat(64)}`, range: "bytes=0-9" });
      stream.on("response", (headers) => resolve(decodeURIComponent(String(headers["consilium-refusal"]))));
      stream.end();
    });
    session.destroy();
    expect(status).toContain('"code":"certificate-untrusted"');
    expect(status).toContain("consilium site join");
  });

  test("a caller who dials a name that is none is answered like any other", async () => {
    const session = connectHttp2(`https://${server.address}`, { ca: federation.authority.certificatePem });
    const status = await new Promise((resolve, reject) => {
      session.on("error", reject);
      const path = "/consilium.v1.Federation/Enrol";
      const headers = { ":method": "POST", ":path": path, ":authority": "[::::1", "content-type": "application/proto" };
      session
        .request(headers)
        .on("response", (answer) => resolve(answer[":status"]))
        .end();
    });
    session.destroy();
    // An empty request carries no proof: refused by the service, not by a process that ended.
    expect(status).toBe(400);
  });

  test("a certificate of another authority is refused in words", async () => {
    const stranger = await (await fakeFederation()).join("upenn");
    const authorityPem = federation.authority.certificatePem;
    const foreign = link({ ...stranger, address: server.address, authorityPem });
    await expect(foreign.exchange(nothing)).rejects.toMatchObject({
      code: "certificate-untrusted",
      subject: "certificate of upenn",
    });
    const fetched = foreign.fetchObject({ sha256: "a".repeat(64), bytes: 1, toFile: "/nonexistent/x" });
    await expect(fetched).rejects.toMatchObject({ code: expect.stringMatching(/folder-not-writable|certificate/) });
  });

  test("a site refuses a coordinator of another authority", async () => {
    const other = await fakeFederation();
    const site = await other.join("upenn");
    const misled = link({ ...site, address: server.address });
    await expect(misled.exchange(nothing)).rejects.toMatchObject({ code: "certificate-untrusted" });
  });

  test("a site refuses a coordinator's certificate for another address", async () => {
    const site = await federation.join("upenn");
    const address = server.address.replace("127.0.0.1", "localhost");
    await expect(link({ ...site, address }).exchange(nothing)).rejects.toMatchObject({ code: "certificate-untrusted" });
  });

  test("junk on the port harms nobody", async () => {
    const site = await federation.join("upenn");
    const { port } = new URL(`https://${server.address}`);
    await new Promise<void>((resolve) => {
      const socket = connectHttp2(`http://127.0.0.1:${port}`);
      socket.on("error", () => resolve());
      socket.on("close", () => resolve());
    });
    await expect(link({ ...site, address: server.address }).exchange(nothing)).rejects.toMatchObject({
      code: "message-invalid",
    });
  });
});

describe("when nobody answers", () => {
  test("a closed port is unreachable, by its host and port", async () => {
    const site = await federation.join("upenn");
    await expect(link({ ...site, address: "127.0.0.1:1" }).exchange(nothing)).rejects.toMatchObject({
      code: "unreachable",
      subject: "coordinator 127.0.0.1:1",
      actual: "ECONNREFUSED",
    });
    const invitation = federation.invitation("upenn", "127.0.0.1:1");
    const options = { invitation, keyPem: createSiteKey(), productVersion: "0", nowMs: systemClock.nowMs() };
    await expect(enrol(options)).rejects.toMatchObject({ code: "unreachable" });
  });

  test("a port that takes the connection and stays silent is given up", async () => {
    const silent = await listenSilently();
    const site = await federation.join("upenn");
    const waiting = link({ ...site, address: silent, timeoutMs: 300 });
    await expect(waiting.exchange(nothing)).rejects.toMatchObject({ code: "unreachable" });
  });

  test("a link finds a coordinator that was started anew", async () => {
    const site = await federation.join("upenn");
    const { address } = server;
    const steady = link({ ...site, address });
    await expect(steady.exchange(nothing)).rejects.toMatchObject({ code: "message-invalid" });
    await server.close();
    await expect(steady.exchange(nothing)).rejects.toMatchObject({ code: "unreachable" });
    const again = await federation.serve({ listen: address });
    cleanup.push(() => again.close());
    await expect(steady.exchange(nothing)).rejects.toMatchObject({ code: "message-invalid" });
  });

  test("a port in use is refused by name", async () => {
    await expect(federation.serve({ listen: server.address })).rejects.toMatchObject({
      code: "usage",
      actual: "EADDRINUSE",
    });
  });
});

async function listenSilently(): Promise<string> {
  const silent: Server = createServer(() => undefined);
  const open = new Set<{ destroy(): void }>();
  silent.on("connection", (socket) => open.add(socket));
  await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
  cleanup.push(async () => {
    for (const socket of open) socket.destroy();
    await new Promise((resolve) => silent.close(resolve));
  });
  const bound = silent.address();
  return `127.0.0.1:${typeof bound === "object" ? bound?.port : 0}`;
}
