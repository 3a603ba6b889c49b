/** One contract over both adapters of the link: real TLS on loopback, and memory. */
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create } from "@bufbuild/protobuf";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ConsiliumError, createRandom, LIMITS, sha256, systemClock } from "../base/index.ts";
import {
  type CoordinatorLink,
  connectLink,
  type Enrolment,
  type FederationServer,
  memoryLink,
  openAnswer,
  readPrivateKey,
  type SignedEnvelope,
  SiteMessageSchema,
  sealSiteMessage,
} from "./index.ts";
import { type FakeFederation, fakeFederation, refused } from "./testing/fake-federation.ts";

type Member = Enrolment & { readonly keyPem: string };

let federation: FakeFederation;
let site: Awaited<ReturnType<FakeFederation["join"]>>;
let server: FederationServer | undefined;
let link: CoordinatorLink;
let folder: string;

beforeEach(async () => {
  federation = await fakeFederation();
  site = await federation.join("upenn");
  folder = await mkdtemp(join(tmpdir(), "consilium-link-"));
});
afterEach(async () => {
  await link.close();
  await server?.close();
  server = undefined;
  await rm(folder, { recursive: true, force: true });
});

const adapters: Record<string, () => Promise<CoordinatorLink>> = {
  "over TLS": async () => {
    server = await federation.serve();
    return connectLink({ address: server.address, ...site });
  },
  "in memory": async () => memoryLink(federation.service, site.peer),
};

function poll(member: Member, activity: string, sequence = 1): SignedEnvelope {
  return sealSiteMessage({
    siteId: member.siteId,
    key: readPrivateKey(member.keyPem),
    studyHash: "",
    round: 0,
    attempt: 0,
    sequence,
    timeMs: systemClock.nowMs(),
    message: create(SiteMessageSchema, { kind: { case: "poll", value: { activity } } }),
  });
}

const made = new Map<number, Uint8Array>();

/** The same bytes for the same length. */
function someBytes(length: number): Uint8Array {
  const known = made.get(length);
  if (known !== undefined) return known;
  const random = createRandom("link.test", length);
  const words = new Uint32Array(Math.ceil(length / 4));
  for (let i = 0; i < words.length; i++) words[i] = random.uint32();
  const bytes = new Uint8Array(words.buffer, 0, length);
  made.set(length, bytes);
  return bytes;
}

describe.each(Object.entries(adapters))("a link %s", (_name, open) => {
  beforeEach(async () => {
    link = await open();
  });

  test("carries a message there and its signed answer back", async () => {
    const request = poll(site, "training");
    const reply = await link.exchange(request);
    const { authorityPem } = site;
    const { answer, header } = openAnswer(reply, { request, authorityPem, nowMs: systemClock.nowMs() });
    expect(answer.directive?.kind).toMatchObject({ case: "wait", value: { reason: "training" } });
    expect(header.sender).toBe("coordinator");
  });

  test("an answer to one message does not pass for the answer to another", async () => {
    const reply = await link.exchange(poll(site, "idle", 1));
    const expected = { request: poll(site, "idle", 2), authorityPem: site.authorityPem, nowMs: systemClock.nowMs() };
    expect(() => openAnswer(reply, expected)).toThrow(/message-replayed/);
  });

  test("carries a refusal with its code, expectation and advice", async () => {
    federation.failures.push(refused("site-unknown", "site upenn"));
    const error = await link.exchange(poll(site, "idle")).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(ConsiliumError);
    expect((error as ConsiliumError).toJSON()).toEqual(refused("site-unknown", "site upenn").toJSON());
  });

  test("keeps a defect's insides to the coordinator", async () => {
    federation.failures.push(new Error("secret path /home/someone"));
    await expect(link.exchange(poll(site, "idle"))).rejects.toMatchObject({
      code: "internal",
      actual: "a defect",
    });
  });

  test("fetches an object of several pieces whole", async () => {
    const object = someBytes(2 * LIMITS.chunkBytes + 1001);
    federation.objects.set(sha256(object), object);
    const seen: number[] = [];
    const toFile = join(folder, "weights");
    await link.fetchObject({ sha256: sha256(object), bytes: object.length, toFile, onProgress: (n) => seen.push(n) });
    expect(sha256(await readFile(toFile))).toBe(sha256(object));
    expect(await readdir(folder)).toEqual(["weights"]);
    expect(seen).toEqual([0, LIMITS.chunkBytes, 2 * LIMITS.chunkBytes, object.length]);
  });

  test("goes on with a fetch where it broke", async () => {
    const object = someBytes(2 * LIMITS.chunkBytes);
    federation.objects.set(sha256(object), object);
    await writeFile(join(folder, "weights.part"), object.subarray(0, LIMITS.chunkBytes));
    await link.fetchObject({ sha256: sha256(object), bytes: object.length, toFile: join(folder, "weights") });
    expect(federation.moved.bytes).toBe(LIMITS.chunkBytes);
    expect(sha256(await readFile(join(folder, "weights")))).toBe(sha256(object));
  });

  test("gives an object in memory too, also what was there before a break", async () => {
    const object = someBytes(2 * LIMITS.chunkBytes + 13);
    federation.objects.set(sha256(object), object);
    const request = { sha256: sha256(object), bytes: object.length, inMemory: true };
    const whole = await link.fetchObject({ ...request, toFile: join(folder, "whole") });
    expect(sha256(whole ?? "")).toBe(sha256(object));
    await writeFile(join(folder, "rest.part"), object.subarray(0, LIMITS.chunkBytes + 5));
    const rest = await link.fetchObject({ ...request, toFile: join(folder, "rest") });
    expect(sha256(rest ?? "")).toBe(sha256(object));
    expect(sha256(await readFile(join(folder, "rest")))).toBe(sha256(object));
    expect(await link.fetchObject({ ...request, inMemory: false, toFile: join(folder, "file") })).toBeUndefined();
  });

  test("refuses an object of another digest and leaves nothing of it", async () => {
    const object = someBytes(1000);
    federation.objects.set("a".repeat(64), object);
    const fetched = link.fetchObject({ sha256: "a".repeat(64), bytes: 1000, toFile: join(folder, "weights") });
    await expect(fetched).rejects.toMatchObject({ code: "object-corrupt" });
    expect(await readdir(folder)).toEqual([]);
  });

  test("refuses an object shorter than was said", async () => {
    const object = someBytes(1000);
    federation.objects.set(sha256(object), object);
    const fetched = link.fetchObject({ sha256: sha256(object), bytes: 2000, toFile: join(folder, "weights") });
    await expect(fetched).rejects.toMatchObject({ code: "object-corrupt" });
    expect(await readdir(folder)).not.toContain("weights");
  });

  test("says that an object is missing", async () => {
    const fetched = link.fetchObject({ sha256: "b".repeat(64), bytes: 10, toFile: join(folder, "weights") });
    await expect(fetched).rejects.toMatchObject({ code: "object-missing" });
  });

  test("names a folder that cannot be written to", async () => {
    const object = someBytes(10);
    federation.objects.set(sha256(object), object);
    const toFile = join(folder, "absent", "weights");
    const fetched = link.fetchObject({ sha256: sha256(object), bytes: 10, toFile });
    await expect(fetched).rejects.toMatchObject({ code: "folder-not-writable" });
  });

  test("sends an object of several pieces", async () => {
    const object = someBytes(2 * LIMITS.chunkBytes + 77);
    await writeFile(join(folder, "update"), object);
    await link.sendObject({ sha256: sha256(object), fromFile: join(folder, "update") });
    expect(sha256(federation.objects.get(sha256(object)) ?? "")).toBe(sha256(object));
  });

  test("goes on with a sending where it broke", async () => {
    const object = someBytes(3 * LIMITS.chunkBytes);
    await writeFile(join(folder, "update"), object);
    federation.partial.set(sha256(object), object.slice(0, 2 * LIMITS.chunkBytes));
    await link.sendObject({ sha256: sha256(object), fromFile: join(folder, "update") });
    expect(federation.moved.bytes).toBe(LIMITS.chunkBytes);
    expect(sha256(federation.objects.get(sha256(object)) ?? "")).toBe(sha256(object));
  });

  test("sends nothing of an object that is held already", async () => {
    const object = someBytes(100);
    federation.objects.set(sha256(object), object);
    await writeFile(join(folder, "update"), object);
    await link.sendObject({ sha256: sha256(object), fromFile: join(folder, "update") });
    expect(federation.moved.bytes).toBe(0);
  });

  test("says that the coordinator's disk is full", async () => {
    const object = someBytes(100);
    await writeFile(join(folder, "update"), object);
    const full = { subject: "object store", expected: "room on the disk", actual: "ENOSPC", hint: "Free some." };
    Object.assign(federation.service, {
      writeObject: async () => {
        throw new ConsiliumError("disk-full", full);
      },
    });
    const sent = link.sendObject({ sha256: sha256(object), fromFile: join(folder, "update") });
    await expect(sent).rejects.toMatchObject({ code: "disk-full", ...full });
  });

  test("stops when asked to", async () => {
    const object = someBytes(2 * LIMITS.chunkBytes);
    federation.objects.set(sha256(object), object);
    const stop = new AbortController();
    const request = { sha256: sha256(object), bytes: object.length, toFile: join(folder, "weights") };
    const onProgress = (bytes: number): void => {
      if (bytes > 0) stop.abort();
    };
    await expect(link.fetchObject({ ...request, onProgress, signal: stop.signal })).rejects.toMatchObject({
      code: "interrupted",
    });
    await link.fetchObject(request);
    expect(sha256(await readFile(request.toFile))).toBe(sha256(object));
  });
});
