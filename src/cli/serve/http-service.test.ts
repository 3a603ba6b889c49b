/** The service over a real socket; what a job does is a function here, the process that does it in earnest is `segment`. */
import { writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
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
  const opened = async () => (json((await call("POST", "", '{"kind":"dicom"}')).text) as { id: string }).id;
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
