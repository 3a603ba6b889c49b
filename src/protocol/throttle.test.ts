/** A throttled line over real TLS: the speed that was asked for, whole objects, and an end when it is told to stop. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { sha256 } from "../base/index.ts";
import { type CoordinatorLink, connectLink, type FederationServer } from "./index.ts";
import { type FakeFederation, fakeFederation } from "./testing/fake-federation.ts";

const RATE = 400_000;
const object = Buffer.alloc(600_000, "weights and updates");
let federation: FakeFederation;
let server: FederationServer;
let folder: string;
let links: CoordinatorLink[];

beforeEach(async () => {
  federation = await fakeFederation();
  server = await federation.serve();
  folder = await mkdtemp(join(tmpdir(), "consilium-throttle-"));
  links = [];
});
afterEach(async () => {
  for (const link of links) await link.close();
  await server.close();
  await rm(folder, { recursive: true, force: true });
});

async function open(maxBytesPerSecond: number | undefined): Promise<CoordinatorLink> {
  const link = connectLink({ address: server.address, ...(await federation.join("upenn")), maxBytesPerSecond });
  links.push(link);
  return link;
}

async function seconds(work: () => Promise<void>): Promise<number> {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1000;
}

async function moveBothWays(link: CoordinatorLink): Promise<void> {
  const fromFile = join(folder, "update");
  await writeFile(fromFile, object);
  await link.sendObject({ sha256: sha256(object), fromFile });
  const toFile = join(folder, `weights-${links.length}`);
  await link.fetchObject({ sha256: sha256(object), bytes: object.length, toFile });
  expect(sha256(await readFile(toFile))).toBe(sha256(object));
}

test("objects move whole, at the speed that was chosen and no faster", async () => {
  const link = await open(RATE);
  const took = await seconds(() => moveBothWays(link));
  // Both ways together; the last piece need not be waited for.
  expect(took).toBeGreaterThan((2 * object.length - RATE / 2) / RATE - 0.05);
  // Each way three pieces of half a second.
  expect(federation.moved.parts).toBe(6);
  // Without a limit the same takes no such time: the wait above was the throttle's.
  federation.objects.clear();
  federation.partial.clear();
  const free = await open(undefined);
  expect(await seconds(() => moveBothWays(free))).toBeLessThan(took);
  // Each way one.
  expect(federation.moved.parts).toBe(6 + 2);
});

test("a transfer that waits for its turn ends at once when it is interrupted", async () => {
  federation.objects.set(sha256(object), object);
  const link = await open(10_000);
  const stop = new AbortController();
  const request = { sha256: sha256(object), bytes: object.length, toFile: join(folder, "weights") };
  const fetched = link.fetchObject({ ...request, signal: stop.signal, onProgress: () => stop.abort() });
  await expect(fetched).rejects.toMatchObject({ code: "interrupted" });
});
