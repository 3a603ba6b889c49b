/** The service over a real socket; what a job does is a function here, the process that does it in earnest is `segment`. */
import { readdir, writeFile } from "node:fs/promises";
import { type ClientRequest, createServer, request, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { ConsiliumError, LIMITS } from "../../base/index.ts";
import { createService } from "./http-service.ts";
import { type JobStore, openJobStore } from "./job-store.ts";

const TOKEN = "a".repeat(43);
let store: JobStore;
let server: Server;
let url: string;
/** Lets the next job go on. */
let release: (() => void)[];
let nowMs: number;
let troubles: unknown[];

beforeEach(async () => {
  release = [];
  nowMs = 0;
  troubles = [];
  store = await openJobStore(
    async (job, signal) => {
      await new Promise<void>((resolve) => {
        release.push(resolve);
        signal.addEventListener("abort", () => resolve());
      });
      if (job.kind === "nifti") {
        throw new ConsiliumError("brain-not-found", {
          subject: "t1",
          expected: "a brain",
          actual: "none",
          hint: "Look.",
        });
      }
      await writeFile(join(job.results, "label-map.nii.gz"), "labels");
      return { volumesMl: { WT: 1 } };
    },
    (error) => troubles.push(error),
    () => nowMs,
  );
  server = createServer(createService(store, TOKEN)).listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/jobs`;
});
afterEach(async () => {
  server.closeAllConnections();
  server.close();
  await store.close();
  expect(troubles).toEqual([]);
});

async function call(
  method: string,
  path: string,
  body?: string,
  token = TOKEN,
): Promise<{ status: number; text: string }> {
  const init = { method, headers: { authorization: `Bearer ${token}` }, ...(body !== undefined && { body }) };
  const response = await fetch(`${url}${path}`, init);
  return { status: response.status, text: await response.text() };
}
const json = (text: string): Record<string, unknown> => JSON.parse(text) as Record<string, unknown>;
async function started(kind: string): Promise<string> {
  const { id } = json((await call("POST", "", JSON.stringify({ kind }))).text) as { id: string };
  expect((await call("PUT", `/${id}/files/IM1`, "bytes")).status).toBe(204);
  expect((await call("POST", `/${id}/start`)).status).toBe(202);
  return id;
}
async function stateOf(id: string): Promise<unknown> {
  const { state, position } = json((await call("GET", `/${id}`)).text);
  return [state, position];
}
async function until(id: string, state: string): Promise<void> {
  await expect.poll(async () => (await stateOf(id)) as unknown[], { timeout: 5000 }).toContain(state);
}

it("works at one job after the other, and gives out what came of it", async () => {
  const [first, second, third] = [await started("dicom"), await started("nifti"), await started("dicom")];
  expect([await stateOf(first), await stateOf(second), await stateOf(third)]).toEqual([
    ["working", 0],
    ["waiting", 1],
    ["waiting", 2],
  ]);
  expect((await call("GET", `/${first}/results/label-map.nii.gz`)).status).toBe(404);
  release[0]();
  await until(first, "done");
  expect(await call("GET", `/${first}/results/label-map.nii.gz`)).toEqual({ status: 200, text: "labels" });
  await until(second, "working");
  release[1]();
  await until(second, "failed");
  expect((await call("GET", `/${second}`)).text).toContain("brain-not-found");
  // One that is at work ends with its deletion.
  await until(third, "working");
  expect((await call("DELETE", `/${third}`)).status).toBe(204);
  expect((await call("GET", `/${third}`)).status).toBe(404);
});

it("tells nothing without the token", async () => {
  for (const token of ["", "b".repeat(43), `${TOKEN}x`]) {
    expect((await call("POST", "", '{"kind":"dicom"}', token)).status).toBe(401);
  }
  expect((await call("POST", "", '{"kind":"dicom"}')).status).toBe(201);
});

it("refuses paths out of a job, jobs without files, files after the start, and other documents", async () => {
  const id = await started("dicom");
  for (const name of ["..%2F..%2Fetc", ".hidden", "a%00b"]) {
    const { id: open } = json((await call("POST", "", '{"kind":"dicom"}')).text) as { id: string };
    expect((await call("PUT", `/${open}/files/${name}`, "x")).status).toBe(400);
    expect((await call("POST", `/${open}/start`)).status).toBe(400);
  }
  expect((await call("PUT", `/${id}/files/IM2`, "x")).status).toBe(400);
  expect((await call("GET", `/${id}/results/..%2Ffiles%2FIM1`)).status).toBe(404);
  for (const body of ["", "{", "null", '{"kind":"exe"}', "x".repeat(5000)]) {
    expect((await call("POST", "", body)).status).toBe(400);
  }
});

it("takes so many files and bytes in a job, and no more", async () => {
  const small = createServer(createService(store, TOKEN, { serveFiles: 2, serveJobBytes: 10 })).listen(0, "127.0.0.1");
  await new Promise((resolve) => small.once("listening", resolve));
  const usual = url;
  url = `http://127.0.0.1:${(small.address() as AddressInfo).port}/v1/jobs`;
  try {
    const many = await opened();
    for (const name of ["IM1", "IM2"]) expect((await call("PUT", `/${many}/files/${name}`, "12345")).status).toBe(204);
    const third = await call("PUT", `/${many}/files/IM3`, "");
    expect([third.status, third.text]).toEqual([413, expect.stringContaining("at most 2 files a job")]);
    const large = await opened();
    expect((await call("PUT", `/${large}/files/IM1`, "123456")).status).toBe(204);
    const eleventh = await call("PUT", `/${large}/files/IM2`, "12345");
    expect([eleventh.status, eleventh.text]).toEqual([413, expect.stringContaining("at most 10 bytes a job")]);
  } finally {
    url = usual;
    small.closeAllConnections();
    small.close();
  }
});

async function opened(): Promise<string> {
  return (json((await call("POST", "", '{"kind":"dicom"}')).text) as { id: string }).id;
}

/** A file whose first bytes came in, and no more. */
async function halfSent(id: string, name: string): Promise<{ sending: ClientRequest; answered: Promise<number> }> {
  const { work } = store.find(id);
  const before = (await readdir(work)).length;
  const sending = request(`${url}/${id}/files/${name}`, {
    method: "PUT",
    headers: { authorization: `Bearer ${TOKEN}` },
  });
  const answered = new Promise<number>((resolve, reject) => {
    sending.on("response", (response) => resolve(response.resume().statusCode ?? 0)).on("error", reject);
  });
  answered.catch(() => undefined);
  sending.write("half of ");
  await expect.poll(async () => (await readdir(work)).length).toBe(before + 1);
  return { sending, answered };
}

it("takes a file when it is whole: a job starts with none that is coming, and one that was cut off is none", async () => {
  const id = await opened();
  expect((await call("PUT", `/${id}/files/IM1`, "whole")).status).toBe(204);
  const second = await halfSent(id, "IM2");
  expect(await readdir(store.find(id).files)).toEqual(["IM1"]);
  const early = await call("POST", `/${id}/start`);
  expect([early.status, early.text]).toEqual([400, expect.stringContaining("one with 1 still coming")]);
  second.sending.end("it");
  expect(await second.answered).toBe(204);
  const third = await halfSent(id, "IM3");
  third.sending.destroy();
  await expect.poll(() => store.find(id).arriving).toBe(0);
  const { files, work, bytes } = store.find(id);
  expect([(await readdir(files)).sort(), await readdir(work), bytes]).toEqual([["IM1", "IM2"], [], 15]);
  expect(json((await call("GET", `/${id}`)).text)).toMatchObject({ files: 2 });
  expect((await call("POST", `/${id}/start`)).status).toBe(202);
});

it("counts a file that is sent again once", async () => {
  const id = await opened();
  for (const text of ["first", "again!"]) expect((await call("PUT", `/${id}/files/IM1`, text)).status).toBe(204);
  expect(json((await call("GET", `/${id}`)).text)).toMatchObject({ files: 1 });
  expect(store.find(id).bytes).toBe(6);
});

it("keeps a job that files are still coming into", async () => {
  const id = await opened();
  const slow = await halfSent(id, "IM1");
  nowMs = LIMITS.serveKeptMs + 1;
  await opened();
  slow.sending.end();
  expect(await slow.answered).toBe(204);
  await opened();
  expect((await call("GET", `/${id}`)).status).toBe(200);
});

it.each(["its deletion", "the end of the service"])("an upload ends with %s, and leaves nothing", async (end) => {
  const id = await opened();
  const { sending, answered } = await halfSent(id, "IM1");
  const job = store.find(id);
  if (end === "its deletion") expect((await call("DELETE", `/${id}`)).status).toBe(204);
  else await store.close();
  expect(job.arriving).toBe(0);
  await expect(readdir(job.files)).rejects.toThrow("ENOENT");
  await expect(readdir(job.work)).rejects.toThrow("ENOENT");
  expect(await answered).toBe(404);
  sending.destroy();
});

it("ends a job that takes too long, and goes on with the next", async () => {
  const ended: string[] = [];
  const work = (job: { id: string }, signal: AbortSignal): Promise<never> =>
    new Promise((_, reject) => {
      signal.addEventListener("abort", () => {
        ended.push(job.id);
        reject(signal.reason as Error);
      });
    });
  const short = await openJobStore(work, (error) => troubles.push(error), Date.now, 50);
  try {
    const jobs = [await short.open("dicom"), await short.open("dicom")];
    for (const job of jobs) short.start(job);
    await expect.poll(() => jobs.map(({ state }) => state), { timeout: 5000 }).toEqual(["failed", "failed"]);
    expect(ended).toEqual(jobs.map(({ id }) => id));
    expect(jobs[0].outcome).toMatchObject({ error: { code: "internal", actual: "TimeoutError" } });
  } finally {
    await short.close();
  }
});

it("goes on where files of a job cannot be removed, and says so", async () => {
  const told: unknown[] = [];
  const unremovable = "x".repeat(300);
  const work = (job: { id: string }): Promise<{ id: string }> => {
    Object.assign(job, { files: unremovable });
    return Promise.resolve({ id: job.id });
  };
  const stubborn = await openJobStore(work, (error) => told.push(error));
  try {
    const jobs = [await stubborn.open("dicom"), await stubborn.open("dicom")];
    for (const job of jobs) stubborn.start(job);
    await expect.poll(() => jobs.map(({ state }) => state), { timeout: 5000 }).toEqual(["done", "done"]);
    await expect
      .poll(() => told, { timeout: 5000 })
      .toMatchObject([{ code: "ENAMETOOLONG" }, { code: "ENAMETOOLONG" }]);
  } finally {
    await stubborn.close();
  }
});

it("holds so many jobs and no more, and forgets those that nobody came back to", async () => {
  for (let i = 0; i < LIMITS.serveJobs; i++) expect((await call("POST", "", '{"kind":"dicom"}')).status).toBe(201);
  expect((await call("POST", "", '{"kind":"dicom"}')).status).toBe(413);
  nowMs = LIMITS.serveKeptMs + 1;
  expect((await call("POST", "", '{"kind":"dicom"}')).status).toBe(201);
});
