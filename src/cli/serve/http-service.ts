/**
 * The segmentation service over HTTP.
 *
 *   POST   /v1/jobs                     {"kind": "dicom" | "nifti"}    201 {"id"}
 *   PUT    /v1/jobs/ID/files/NAME       bytes of one file              204
 *   POST   /v1/jobs/ID/start                                           202
 *   GET    /v1/jobs/ID                                                 200 {"state", "position", "outcome"}
 *   GET    /v1/jobs/ID/results/NAME                                    200 bytes
 *   DELETE /v1/jobs/ID                                                 204
 *
 * Every request carries the service's token (RFC 6750); without it nothing is told, not even which jobs there are.
 * Answers are never cached, and nothing of a request is logged.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { ConsiliumError, type ErrorCode, type Json, LIMITS } from "../../base/index.ts";
import { JOB_KINDS, type Job, type JobStore } from "./job-store.ts";
import { receiveFile, type UploadLimits } from "./receive-file.ts";

const FILE_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;
export const RESULTS = ["label-map.nii.gz", "report.html", "segmentation.dcm", "structures.dcm"] as const;
const MAX_JSON_BYTES = 4096;

const STATUS: Readonly<Partial<Record<ErrorCode, number>>> = {
  "object-missing": 404,
  "limit-exceeded": 413,
  "disk-full": 507,
  "message-invalid": 400,
  "signature-invalid": 401,
};

export function createService(store: JobStore, token: string, limits: UploadLimits = LIMITS): RequestListener {
  const expected = digestOf(`Bearer ${token}`);
  return (request, response) => {
    response.setHeader("cache-control", "no-store");
    response.setHeader("x-content-type-options", "nosniff");
    void (async () => {
      if (!timingSafeEqual(digestOf(request.headers.authorization ?? ""), expected)) throw unauthorised();
      await route(store, limits, request, response);
    })().catch((error: unknown) => answerError(response, error));
  };
}

function digestOf(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}

function unauthorised(): ConsiliumError {
  return new ConsiliumError("signature-invalid", {
    subject: "request",
    expected: "the service's token (Authorization: Bearer)",
    actual: "none, or another",
    hint: "Take it from the file that `consilium serve` names.",
  });
}

async function route(
  store: JobStore,
  limits: UploadLimits,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const [, version, jobs, id, part, name, ...rest] = new URL(request.url ?? "/", "http://service").pathname.split("/");
  if (version !== "v1" || jobs !== "jobs" || rest.length > 0) throw invalid("a path under /v1/jobs", "another path");
  const { method } = request;
  if (id === undefined && method === "POST") {
    const body = (await readJson(request)) as { kind?: unknown } | null;
    const kind = JOB_KINDS.find((known) => known === body?.kind);
    if (kind === undefined) throw invalid(`{"kind": one of ${JOB_KINDS.join(", ")}}`, "another document");
    const opened = await store.open(kind);
    return answer(response, 201, { id: opened.id });
  }
  const job = store.find(id ?? "");
  if (part === undefined && method === "GET") {
    const { state, kind, sizes, outcome } = job;
    const files = sizes.size;
    return answer(response, 200, { id: job.id, kind, state, files, position: store.position(job), outcome });
  }
  if (part === undefined && method === "DELETE") {
    await store.remove(job);
    return answer(response, 204);
  }
  if (part === "files" && method === "PUT") {
    if (!FILE_NAME.test(name ?? ""))
      throw invalid("a name of letters, digits, dots, hyphens and underscores", "another");
    await store.receive(job, (signal) => receiveFile(job, name, request, limits, signal));
    return answer(response, 204);
  }
  if (part === "start" && name === undefined && method === "POST") {
    if (job.sizes.size === 0) throw invalid("files", "none");
    store.start(job);
    return answer(response, 202, { id: job.id, state: job.state });
  }
  if (part === "results" && method === "GET") return sendResult(job, name ?? "", response);
  throw invalid("a method that this path has", String(method));
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  let text = "";
  for await (const chunk of request) {
    text += String(chunk);
    if (text.length > MAX_JSON_BYTES) throw invalid(`at most ${MAX_JSON_BYTES} bytes`, "more");
  }
  try {
    return JSON.parse(text);
  } catch {
    throw invalid("a JSON document", "other text");
  }
}

async function sendResult(job: Job, name: string, response: ServerResponse): Promise<void> {
  const path = join(job.results, RESULTS.find((known) => known === name) ?? "none");
  const size = await stat(path).then(
    (entry) => (entry.isFile() ? entry.size : undefined),
    () => undefined,
  );
  if (job.state !== "done" || size === undefined) {
    throw new ConsiliumError("object-missing", {
      subject: "result",
      expected: `one of ${RESULTS.join(", ")}, of a job that is done`,
      actual: `none of that name, of a job that is ${job.state}`,
      hint: "Ask for the job's state; DICOM objects come of DICOM alone.",
    });
  }
  response.writeHead(200, { "content-type": "application/octet-stream", "content-length": size });
  await pipeline(createReadStream(path), response);
}

function invalid(expected: string, actual: string): ConsiliumError {
  const hint = "See docs/USE.md, Serve.";
  return new ConsiliumError("message-invalid", { subject: "request", expected, actual, hint });
}

function answer(response: ServerResponse, status: number, body?: Json): void {
  if (body === undefined) response.writeHead(status).end();
  else response.writeHead(status, { "content-type": "application/json" }).end(`${JSON.stringify(body)}\n`);
}

function answerError(response: ServerResponse, error: unknown): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  // The rest of a refused upload is not read.
  response.setHeader("connection", "close");
  if (error instanceof ConsiliumError) answer(response, STATUS[error.code] ?? 500, { error: error.toJSON() });
  else answer(response, 500, { error: { code: "internal" } });
}
