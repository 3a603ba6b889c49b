/**
 * The running coordinator's ear for commands of its own machine: JSON over HTTP on a loopback port of its own, under a
 * token that only who may read the home can know. (A socket in the home would need no token, but its path may be at
 * most 107 bytes long.) Sites never meet it.
 *
 * Invariants: listens on 127.0.0.1 only; without the token nothing is said; one request is small and answered once.
 */
import { randomBytes, timingSafeEqual } from "node:crypto";
import { rm } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { z } from "zod";
import { ConsiliumError, LIMITS, listenOnLoopback } from "../base/index.ts";
import { errorRecord, writeError } from "../protocol/index.ts";
import { parseStudy } from "../study/index.ts";
import type { Coordinator, LiveRequest } from "./coordinator.ts";
import { writePrivately } from "./home-files.ts";
import { modelsOf } from "./study-models.ts";

export const ADMIN_FILE = "admin.json";
const ADMIN_SCHEMA = "consilium.admin/1";
const REQUEST_BYTES = 2 * LIMITS.studyFileBytes;

export const adminFileSchema = z.strictObject({
  schema: z.literal(ADMIN_SCHEMA),
  port: z.number().int(),
  token: z.string(),
});

const objectRef = z.strictObject({ sha256: z.string().regex(/^[0-9a-f]{64}$/), bytes: z.number().int().min(1) });
const inviteSchema = z.strictObject({ siteId: z.string(), validHours: z.number().positive().optional() });
const stopSchema = z.strictObject({ reason: z.string().max(LIMITS.reasonChars) });
const changeSchema = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal(["study-paused", "study-resumed", "study-begun"]),
    reason: z.string().max(LIMITS.reasonChars),
  }),
  z.strictObject({
    kind: z.literal("study-changed"),
    reason: z.string().max(LIMITS.reasonChars),
    deadlineS: z.number().positive().optional(),
    quorum: z.union([z.literal("all"), z.number().int().min(1)]).optional(),
    rounds: z.number().int().min(1).optional(),
  }),
]);
const revokeSchema = z.strictObject({ siteId: z.string(), reason: z.string().max(LIMITS.reasonChars) });
const rotateSchema = z.strictObject({ overlapDays: z.number().positive().optional() });
const ofStudySchema = z.strictObject({ study: z.string().optional() });
const submitSchema = z.strictObject({
  study: z.unknown(),
  initial: objectRef,
  network: objectRef.optional(),
  parameterCount: z.number().int().min(1),
  sites: z.array(z.string()).optional(),
});

export interface AdminServer {
  close(): Promise<void>;
}

export async function startAdminServer(coordinator: Coordinator): Promise<AdminServer> {
  const token = randomBytes(32).toString("hex");
  const server = createServer((request, response) => {
    answer(coordinator, token, request)
      .then((value) => reply(response, 200, value))
      .catch((error: unknown) => reply(response, 400, { error: errorRecord(error) }));
  });
  server.requestTimeout = LIMITS.requestTimeoutMs;
  await listenOnLoopback(server, 0, "commands to the running coordinator");
  const path = join(coordinator.serving.home().folder, ADMIN_FILE);
  const { port } = server.address() as AddressInfo;
  try {
    await writePrivately(path, JSON.stringify({ schema: ADMIN_SCHEMA, port, token }));
  } catch (error) {
    await closed(server);
    throw writeError(error, "home of the coordinator");
  }
  return {
    async close() {
      await rm(path, { force: true });
      await closed(server);
    },
  };
}

async function answer(coordinator: Coordinator, token: string, request: IncomingMessage): Promise<unknown> {
  checkToken(request.headers.authorization, token);
  switch (`${request.method} ${request.url}`) {
    case "GET /models":
      return modelsOf(coordinator.state());
    case "POST /status":
      return coordinator.status(0, parsed(ofStudySchema, await readJson(request)).study);
    case "POST /result":
      return coordinator.result(parsed(ofStudySchema, await readJson(request)).study) ?? null;
    case "POST /invite":
      return coordinator.invite(parsed(inviteSchema, await readJson(request)));
    case "POST /stop":
      await coordinator.stopStudy(parsed(stopSchema, await readJson(request)).reason);
      return null;
    case "POST /change":
      await coordinator.changeStudy(parsed(changeSchema, await readJson(request)) as LiveRequest);
      return null;
    case "POST /revoke": {
      const { siteId, reason } = parsed(revokeSchema, await readJson(request));
      await coordinator.revokeSite(siteId, reason);
      return null;
    }
    case "POST /rotate-authority":
      return coordinator.rotateAuthority(parsed(rotateSchema, await readJson(request)).overlapDays);
    case "POST /submit": {
      const { study, network, sites, ...rest } = parsed(submitSchema, await readJson(request));
      return coordinator.submitPrepared({
        study: parseStudy(study),
        ...rest,
        ...(network && { network }),
        ...(sites && { sites }),
      });
    }
    default:
      throw misunderstood("a command that this version knows", `${request.method} ${request.url}`);
  }
}

function checkToken(header: string | undefined, token: string): void {
  const given = Buffer.from(header ?? "");
  const expected = Buffer.from(`Bearer ${token}`);
  if (given.length === expected.length && timingSafeEqual(given, expected)) return;
  throw misunderstood("the token in the coordinator's home", "another");
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  const pieces: Buffer[] = [];
  let length = 0;
  for await (const piece of request as AsyncIterable<Buffer>) {
    length += piece.length;
    if (length > REQUEST_BYTES) throw misunderstood(`at most ${REQUEST_BYTES} bytes`, "more");
    pieces.push(piece);
  }
  try {
    return JSON.parse(Buffer.concat(pieces).toString("utf8"));
  } catch {
    throw misunderstood("JSON", "something else");
  }
}

function parsed<T>(schema: z.ZodType<T>, value: unknown): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw misunderstood("a request of this version", z.prettifyError(result.error).slice(0, 300));
}

function reply(response: ServerResponse, status: number, value: unknown): void {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify(value));
}

function closed(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}

function misunderstood(expected: string, actual: string): ConsiliumError {
  return new ConsiliumError("message-invalid", {
    subject: "command to the running coordinator",
    expected,
    actual,
    hint: "Use `consilium` of the same version as the coordinator that runs.",
  });
}
