/** Connections that break or are swallowed at any byte: what waits on them ends, and what comes after is not lost. */
import { createServer } from "node:http2";
import { type AddressInfo, connect } from "node:net";
import type { TLSSocket } from "node:tls";
import { create } from "@bufbuild/protobuf";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { systemClock } from "../base/index.ts";
import { keptSession } from "./http2-session.ts";
import {
  connectLink,
  type FederationServer,
  readPrivateKey,
  type SignedEnvelope,
  SiteMessageSchema,
  sealSiteMessage,
} from "./index.ts";
import { type Break, type BreakingWire, breakingWire } from "./testing/breaking-wire.ts";
import { type FakeFederation, fakeFederation } from "./testing/fake-federation.ts";
import { clientTls, splitAddress } from "./tls.ts";
import { dialTls } from "./tunnel.ts";

/** In the connection, in the handshake, after it, and in the first answers. */
const BREAKS_AT = [0, 300, 1_500, 1_900, 2_500, 3_300];
const TRIES = 4;

let federation: FakeFederation;
let site: Awaited<ReturnType<FakeFederation["join"]>>;
let server: FederationServer;
const cleanup: (() => unknown)[] = [];

beforeEach(async () => {
  federation = await fakeFederation();
  site = await federation.join("upenn");
  server = await federation.serve();
});
afterEach(async () => {
  for (const each of cleanup.splice(0).reverse()) await each();
  await server.close();
});

async function wire(): Promise<BreakingWire> {
  const made = await breakingWire(splitAddress(server.address).port);
  cleanup.push(() => made.close());
  return made;
}

let sequence = 1;
function poll(): SignedEnvelope {
  return sealSiteMessage({
    siteId: site.siteId,
    key: readPrivateKey(site.keyPem),
    studyHash: "",
    round: 0,
    attempt: 0,
    sequence: sequence++,
    timeMs: systemClock.nowMs(),
    message: create(SiteMessageSchema, { kind: { case: "poll", value: { activity: "idle" } } }),
  });
}

async function asks(link: ReturnType<typeof connectLink>): Promise<string> {
  return link.exchange(poll()).then(
    () => "answered",
    (error) => error.code,
  );
}

describe("a message over a network that breaks", () => {
  for (const how of ["silence", "reset", "end"] satisfies Break[]) {
    test(`by ${how}, at any byte, is unreachable, and the next that the network lets through is answered`, async () => {
      const ends = await Promise.all(
        BREAKS_AT.map(async (bytes) => {
          const between = await wire();
          const link = connectLink({ address: between.address, ...site, timeoutMs: 1_500 });
          cleanup.push(() => link.close());
          between.breakAfter(bytes, how);
          const first = await asks(link);
          between.breakAfter(undefined);
          for (let tries = 1; tries <= TRIES; tries++) if ((await asks(link)) === "answered") return { bytes, first };
          return { bytes, first, stuck: true };
        }),
      );
      expect(ends).toEqual(BREAKS_AT.map((bytes) => ({ bytes, first: "unreachable" })));
    });
  }
});

describe("a connection that stands and falls silent", () => {
  /** Time of what asks for signs of life, and of nothing below it, is in the test's hand. */
  const holdTime = (): void => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval"] });
  };
  afterEach(() => void vi.useRealTimers());

  async function standing(pings?: { everyMs: number; withinMs: number }) {
    const between = await wire();
    const session = keptSession({
      address: between.address,
      tls: clientTls(site.authorityPem, site),
      dial: (tls) => dialTls(between.address, tls, {}),
      ...(pings && { pings }),
    });
    cleanup.push(session.giveUp);
    const ask = async (): Promise<number> => {
      const stream = await session.request({ ":method": "HEAD", ":path": `/objects/${"0".repeat(64)}` });
      return new Promise((resolve, reject) => {
        stream.on("response", (headers) => resolve(headers[":status"] ?? 0));
        stream.on("error", reject);
        stream.on("close", () => reject(new Error("closed")));
      });
    };
    const status = await ask();
    return { between, session, ask, status };
  }

  test("is asked for a sign of life, given up without one, and another opened", async () => {
    holdTime();
    const { between, ask, status } = await standing({ everyMs: 60, withinMs: 200 });
    between.swallowAll();
    const unheard = expect(ask()).rejects.toThrow(/silence|closed|cancel/i);
    await new Promise((resolve) => setImmediate(resolve));
    // What came last is news yet; then it is asked, and given its time to answer.
    vi.advanceTimersByTime(60 + 60 + 200);
    await unheard;
    expect(await ask()).toBe(status);
    expect(between.connections()).toBe(2);
  });

  test("fails who waits when it is given up, and nothing later", async () => {
    const { between, session, ask, status } = await standing();
    between.swallowAll();
    const waiting = ask();
    // Nobody asks for signs of life: it would wait for as long as it is let.
    const outcome = await Promise.race([
      waiting.catch(() => "failed"),
      new Promise((end) => setTimeout(end, 400, "waits")),
    ]);
    expect(outcome).toBe("waits");
    session.giveUp();
    await expect(waiting).rejects.toThrow();
    expect(await ask()).toBe(status);
  });

  test("is asked no more once the other end took its leave, though it does not close", async () => {
    const leaving = createServer().on("session", (session) => session.goaway());
    await new Promise<void>((resolve) => leaving.listen(0, "127.0.0.1", resolve));
    const { port } = leaving.address() as AddressInfo;
    const dialled = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
    cleanup.push(
      () => dialled.destroy(),
      () => leaving.close(),
    );
    const failures: unknown[] = [];
    const note = (error: unknown) => failures.push(error);
    process.on("uncaughtExceptionMonitor", note);
    cleanup.push(() => process.off("uncaughtExceptionMonitor", note));
    const session = keptSession({
      address: `127.0.0.1:${port}`,
      tls: clientTls(site.authorityPem, site),
      dial: () => dialled as TLSSocket,
      pings: { everyMs: 10, withinMs: 5_000 },
    });
    const stream = await session.request({ ":path": "/" });
    await new Promise((resolve) => stream.on("error", () => undefined).on("close", resolve));
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(failures).toEqual([]);
  });

  test("that answers stays the same one, however long it is asked", async () => {
    holdTime();
    const { between, ask, status } = await standing({ everyMs: 20, withinMs: 400 });
    for (let asked = 0; asked < 20; asked++) {
      // What came last is news yet, and then it is asked; what it answers comes before what is asked of it after.
      vi.advanceTimersByTime(20 + 20);
      expect(await ask()).toBe(status);
    }
    expect(between.connections()).toBe(1);
  });
});
