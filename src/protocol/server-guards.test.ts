/** Over real TLS: whoever is slow, silent or asks without end is held back by itself, and the others are answered. */
import { type ClientHttp2Session, connect as connectHttp2, constants } from "node:http2";
import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { create } from "@bufbuild/protobuf";
import { afterEach, beforeEach, expect, test } from "vitest";
import { connectLink, type Enrolment, type FederationServer, SignedEnvelopeSchema } from "./index.ts";
import type { ServerLimits } from "./server-guards.ts";
import { type FakeFederation, fakeFederation } from "./testing/fake-federation.ts";

type Site = Enrolment & { readonly keyPem: string };

let federation: FakeFederation;
let [honest, other]: Site[] = [];
const cleanup: (() => unknown)[] = [];

beforeEach(async () => {
  federation = await fakeFederation();
  [honest, other] = [await federation.join("honest"), await federation.join("other")];
});
afterEach(async () => {
  for (const close of cleanup.splice(0).reverse()) await close();
});

async function serve(limits: Partial<ServerLimits>): Promise<FederationServer> {
  const server = await federation.serve({ limits });
  cleanup.push(() => server.close());
  return server;
}

/** What a site hears of an empty message: it was heard, read and refused. */
const HEARD = { code: "message-invalid" };
const nothing = create(SignedEnvelopeSchema, {});

function linkOf(site: Site, { address }: FederationServer): ReturnType<typeof connectLink> {
  const link = connectLink({ ...site, address });
  cleanup.push(() => link.close());
  return link;
}

async function isAnswered(server: FederationServer, site = honest): Promise<void> {
  await expect(linkOf(site, server).exchange(nothing)).rejects.toMatchObject(HEARD);
}

function session(server: FederationServer, site?: Site): ClientHttp2Session {
  const credentials = site && { cert: `${site.certificatePem}\n${site.authorityPem}`, key: site.keyPem };
  const opened = connectHttp2(`https://${server.address}`, {
    ca: federation.authority.certificatePem,
    ...credentials,
  });
  opened.on("error", () => undefined);
  cleanup.push(() => opened.destroy());
  return opened;
}

const connected = (of: ClientHttp2Session): Promise<unknown> => new Promise((resolve) => of.once("connect", resolve));
const closed = (of: ClientHttp2Session): Promise<unknown> =>
  new Promise((resolve) => (of.destroyed ? resolve(undefined) : of.once("close", resolve)));

function statusOf(of: ClientHttp2Session, path: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const stream = of.request({ ":path": path, range: "bytes=0-9" });
    stream.on("response", (headers) => resolve(Number(headers[":status"])));
    stream.on("error", reject);
    stream.end();
  });
}

test("a site that asks without end is told to wait, and no other site is", async () => {
  const server = await serve({ callsAtOnce: 10, callsPerSecond: 0.001 });
  const flooding = linkOf(other, server);
  const heard: string[] = [];
  while (heard.length < 40) {
    await flooding.exchange(nothing).catch(({ code }: { code: string }) => heard.push(code));
  }
  expect(heard.slice(0, 10)).toEqual(Array(10).fill("message-invalid"));
  // What a site waits for and then tries again.
  expect(heard.slice(10)).toEqual(Array(30).fill("unreachable"));
  await isAnswered(server);
});

test("a site's oldest connection ends where it opens more than its own, and no other site's", async () => {
  const server = await serve({ sessionsPerSite: 3 });
  const steady = session(server, honest);
  await connected(steady);
  const own: ClientHttp2Session[] = [];
  for (let i = 0; i < 4; i++) {
    own.push(session(server, other));
    await connected(own[i]);
  }
  await closed(own[0]);
  expect(own.map(({ closed: ended }) => ended)).toEqual([true, false, false, false]);
  expect(await statusOf(steady, `/objects/${"a".repeat(64)}`)).toBe(404);
  expect(steady.closed).toBe(false);
});

test("a stranger's connection ends soon, a site's stays", async () => {
  const server = await serve({ strangerSessionMs: 100 });
  const [stranger, site] = [session(server), session(server, honest)];
  await Promise.all([connected(stranger), connected(site)]);
  await closed(stranger);
  expect(await statusOf(site, `/objects/${"a".repeat(64)}`)).toBe(404);
});

test("strangers of one address have few calls", async () => {
  const server = await serve({ strangerCallsAtOnce: 3, strangerCallsPerSecond: 0.001 });
  const stranger = session(server);
  const told: number[] = [];
  for (let i = 0; i < 5; i++) told.push(await statusOf(stranger, `/objects/${"a".repeat(64)}`));
  expect(told).toEqual([403, 403, 403, 429, 429]);
  await isAnswered(server);
});

test("connections that stay silent take their own address's room alone", async () => {
  const server = await serve({ connectionsPerAddress: 4 });
  const { port } = new URL(`https://${server.address}`);
  const silent: Socket[] = [];
  const ends: Promise<number>[] = [];
  for (let i = 0; i < 6; i++) {
    const socket = connectTcp({ host: "127.0.0.1", port: Number(port), localAddress: "127.0.0.2" });
    socket.on("error", () => undefined);
    cleanup.push(() => socket.destroy());
    ends.push(new Promise((resolve) => socket.once("close", () => resolve(i))));
    await new Promise((resolve) => socket.once("connect", resolve));
    silent.push(socket);
  }
  expect((await Promise.all(ends.slice(4))).sort()).toEqual([4, 5]);
  expect(silent.slice(0, 4).map(({ destroyed }) => destroyed)).toEqual([false, false, false, false]);
  await isAnswered(server);
  const served = (): Promise<boolean> => {
    const socket = connectTcp({ host: "127.0.0.1", port: Number(port), localAddress: "127.0.0.2" });
    const again = connectTls({ socket, ca: federation.authority.certificatePem, host: "127.0.0.1" });
    again.on("error", () => undefined);
    cleanup.push(() => again.destroy());
    return new Promise((resolve) => {
      again.once("secureConnect", () => resolve(true));
      again.once("close", () => resolve(false));
    });
  };
  expect(await served()).toBe(false);
  // Once they end and the server knows it, their address is served again.
  for (const socket of silent) socket.destroy();
  await expect.poll(served, { timeout: 20_000 }).toBe(true);
});

test("a piece that trickles in is given up, however steadily it comes", async () => {
  const server = await serve({ callMs: 1_000 });
  const slow = session(server, other);
  await connected(slow);
  const stream = slow.request({
    ":method": "PUT",
    ":path": `/objects/${"a".repeat(64)}`,
    "content-range": "bytes 0-99999/100000",
  });
  stream.on("error", () => undefined);
  const ended = new Promise((resolve) => stream.once("close", resolve));
  const trickle = setInterval(() => stream.writable && stream.write("x"), 20);
  cleanup.push(() => clearInterval(trickle));
  await isAnswered(server);
  await ended;
  // Of a stream that is merely closed, a client that is just writing never hears the end.
  expect(stream.rstCode).toBe(constants.NGHTTP2_CANCEL);
  expect(federation.moved.bytes).toBe(0);
});
