/** Which way out an environment means, and the ways through a real proxy in a process of its own. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { networkInterfaces, tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { create } from "@bufbuild/protobuf";
import { afterEach, describe, expect, test } from "vitest";
import { LIMITS, sha256, systemClock } from "../base/index.ts";
import {
  connectLink,
  createSiteKey,
  enrol,
  issueCoordinatorCertificate,
  readPrivateKey,
  type SignedEnvelope,
  SiteMessageSchema,
  sealSiteMessage,
} from "./index.ts";
import { proxyFor } from "./proxy.ts";
import { fakeFederation } from "./testing/fake-federation.ts";

const cleanup: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const undo of cleanup.splice(0).reverse()) await undo();
});

describe("the environment", () => {
  const straight = (address: string, list: string): boolean =>
    proxyFor(address, { HTTPS_PROXY: "http://proxy:3128", NO_PROXY: list }) === undefined;

  test("names a proxy with its port, user and password", () => {
    expect(proxyFor("c:7443", {})).toBeUndefined();
    expect(proxyFor("c:7443", { https_proxy: "proxy:3128" })).toMatchObject({ host: "proxy", port: 3128, tls: false });
    const proxy = proxyFor("c:7443", { HTTPS_PROXY: "http://dom%5Cann:p%40ss@[::1]" });
    expect(proxy).toMatchObject({ host: "::1", port: 80, name: "[::1]:80" });
    expect(proxy?.authorization).toBe(`Basic ${Buffer.from("dom\\ann:p@ss").toString("base64")}`);
    expect(proxyFor("c:7443", { HTTPS_PROXY: "https://proxy" })).toMatchObject({ port: 443, tls: true });
  });

  test.each(["socks5://user:secret@proxy:1080", "http://", "http://user:secret@:"])(
    "that says %s is refused, its password untold",
    (typed) => {
      const read = (): unknown => proxyFor("c:7443", { HTTPS_PROXY: typed });
      expect(read).toThrow(/usage/);
      expect(read).not.toThrow(/secret/);
    },
  );

  test.each([
    ["c.example.org:7443", "example.org", true],
    ["c.example.org:7443", ".example.org", true],
    ["c.example.org:7443", "*.EXAMPLE.org", true],
    ["c.example.org:7443", "ample.org", false],
    ["c.example.org:7443", "localhost, c.example.org:7443", true],
    ["c.example.org:7443", "c.example.org:443", false],
    ["10.1.2.3:7443", "10.0.0.0/8", true],
    ["10.1.2.3:7443", "10.1.2.4", false],
    ["[fd00::1]:7443", "fd00::/8", true],
    ["[fd00::1]:7443", "[fd00::1]:7443", true],
    ["[fd00::1]:7443", "10.0.0.0/8", false],
    ["c:7443", "*", true],
    ["c:7443", "", false],
  ])("%s with NO_PROXY=%s goes straight: %s", (address, list, expected) => {
    expect(straight(address, list)).toBe(expected);
  });
});

interface ProxyProcess {
  readonly port: number;
  /** Lines that it printed: one for each way through. */
  readonly said: string[];
}

async function startProxy(...credentials: string[]): Promise<ProxyProcess> {
  const path = new URL("testing/proxy-process.ts", import.meta.url).pathname;
  const child: ChildProcess = spawn(process.execPath, ["--import", "tsx", path, ...credentials], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  cleanup.push(() => void child.kill());
  const said: string[] = [];
  const { stdout } = child;
  if (stdout === null) throw new Error("a proxy that can be heard");
  return new Promise((resolve) => {
    createInterface({ input: stdout }).on("line", (line) => {
      if (line.startsWith("port ")) resolve({ port: Number(line.slice(5)), said });
      else said.push(line);
    });
  });
}

const hosts = ["127.0.0.1", ...(hasIpv6() ? ["[::1]"] : [])];

function hasIpv6(): boolean {
  return Object.values(networkInterfaces()).some((each) => each?.some(({ address }) => address === "::1"));
}

async function serve(host: string) {
  const federation = await fakeFederation();
  const bare = host.replace(/[[\]]/g, "");
  const own = await issueCoordinatorCertificate(federation.authority, [bare], systemClock.nowMs());
  const server = await federation.serve({ listen: `${host}:0`, ...own });
  cleanup.push(() => server.close());
  return { federation, address: server.address };
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
    message: create(SiteMessageSchema, { kind: { case: "poll", value: {} } }),
  });
}

describe("through a proxy", () => {
  test.each(hosts)("a site joins, speaks and moves objects, to %s", async (host) => {
    const proxy = await startProxy("ann:s p@ce");
    const { federation, address } = await serve(host);
    const environment = { HTTPS_PROXY: `http://ann:s%20p%40ce@127.0.0.1:${proxy.port}` };
    const keyPem = createSiteKey();
    const invitation = federation.invitation("upenn", address);
    const joined = await enrol({ invitation, keyPem, productVersion: "0", nowMs: systemClock.nowMs() }, environment);
    const link = connectLink({ address, ...joined, keyPem, environment });
    cleanup.push(() => link.close());
    expect((await link.exchange(poll(keyPem))).signature).toHaveLength(64);

    const folder = await mkdtemp(join(tmpdir(), "consilium-proxy-"));
    cleanup.push(() => rm(folder, { recursive: true, force: true }));
    const object = Buffer.alloc(LIMITS.chunkBytes + 12_345, "consilium");
    await writeFile(join(folder, "update"), object);
    await link.sendObject({ sha256: sha256(object), fromFile: join(folder, "update") });
    const toFile = join(folder, "weights");
    await link.fetchObject({ sha256: sha256(object), bytes: object.length, toFile });
    expect(sha256(await readFile(toFile))).toBe(sha256(object));
    // The pinning, the enrolment, messages and objects: each line went through it, and nothing beside it.
    expect(proxy.said).toEqual(Array(4).fill(`connect ${address}`));
  });

  test("what the proxy says is told in words", async () => {
    const { federation, address } = await serve("127.0.0.1");
    const keyPem = createSiteKey();
    const join_ = (proxy: string): Promise<unknown> => {
      const invitation = federation.invitation("upenn", address);
      const options = { invitation, keyPem, productVersion: "0", nowMs: systemClock.nowMs() };
      return enrol(options, { HTTPS_PROXY: proxy });
    };
    const guarded = await startProxy("ann:secret");
    await expect(join_(`http://127.0.0.1:${guarded.port}`)).rejects.toMatchObject({
      code: "proxy-authentication",
      actual: "407, asking for Basic authentication; none was given",
    });
    const wrong = join_(`http://ann:wr0ng@127.0.0.1:${guarded.port}`);
    await expect(wrong).rejects.toMatchObject({ code: "proxy-authentication" });
    await expect(wrong).rejects.not.toThrow(/wr0ng/);
    const closed = await startProxy("refuse");
    await expect(join_(`http://127.0.0.1:${closed.port}`)).rejects.toMatchObject({ code: "proxy-refused" });
    await expect(join_("http://127.0.0.1:1")).rejects.toMatchObject({ code: "unreachable", actual: "ECONNREFUSED" });
    // A line that stands, its certificate in hand, is told the same.
    const site = await federation.join("upenn");
    const environment = { HTTPS_PROXY: `http://127.0.0.1:${guarded.port}` };
    const link = connectLink({ address, ...site, environment });
    cleanup.push(() => link.close());
    await expect(link.exchange(poll(site.keyPem))).rejects.toMatchObject({ code: "proxy-authentication" });
    const folder = await mkdtemp(join(tmpdir(), "consilium-proxy-"));
    cleanup.push(() => rm(folder, { recursive: true, force: true }));
    const request = { sha256: "0".repeat(64), bytes: 1, toFile: join(folder, "weights") };
    await expect(link.fetchObject(request)).rejects.toMatchObject({ code: "proxy-authentication" });
  });

  test("an answer without end, or of something else, is given up", async () => {
    const babbler = createServer((socket) => {
      socket.on("error", () => undefined);
      socket.write("x".repeat(20_000));
    });
    await new Promise<void>((resolve) => babbler.listen(0, "127.0.0.1", resolve));
    cleanup.push(() => void babbler.close());
    const { federation, address } = await serve("127.0.0.1");
    const { port } = babbler.address() as { port: number };
    const options = { invitation: federation.invitation("upenn", address), keyPem: createSiteKey() };
    const joined = enrol(
      { ...options, productVersion: "0", nowMs: systemClock.nowMs() },
      { HTTPS_PROXY: `http://127.0.0.1:${port}` },
    );
    await expect(joined).rejects.toMatchObject({ code: "unreachable", actual: "something that is no HTTP proxy" });
  });
});
