/**
 * Commands on a coordinator's home, from any process: where the coordinator runs, it is asked to do them; where it is
 * stopped, they are done here on the home itself. Which of the two is decided by the home's lock, so both can never
 * write at once.
 */
import { readFile } from "node:fs/promises";
import { request } from "node:http";
import { join } from "node:path";
import type { z } from "zod";
import { type Clock, ConsiliumError, LIMITS, systemClock } from "../base/index.ts";
import { type ErrorRecord, errorFromRecord } from "../protocol/index.ts";
import { ADMIN_FILE, adminFileSchema } from "./admin-server.ts";
import {
  type Coordinator,
  type InviteRequest,
  type LiveRequest,
  type MadeInvitation,
  type OpenOptions,
  openCoordinator,
  openStore,
  type RotatedAuthority,
  type StudyResult,
  type SubmittedStudy,
} from "./coordinator.ts";
import { readHome } from "./home.ts";
import type { CoordinatorStatus } from "./status.ts";
import { type ModelEntry, modelsOf } from "./study-models.ts";
import { type StudyToSubmit, storeStudyObjects } from "./study-objects.ts";

const PATIENCE_MS = 5_000;
const RETRY_MS = 100;

export interface AdminClient {
  invite(request: InviteRequest): Promise<MadeInvitation>;
  submitStudy(study: StudyToSubmit): Promise<SubmittedStudy>;
  stopStudy(reason: string): Promise<void>;
  changeStudy(change: LiveRequest): Promise<void>;
  revokeSite(siteId: string, reason: string): Promise<void>;
  rotateAuthority(overlapDays?: number): Promise<RotatedAuthority>;
  /** @param study by name or hash: as it was when that one ended */
  status(study?: string): Promise<CoordinatorStatus>;
  /** The models that studies ended with, latest first. */
  models(): Promise<readonly ModelEntry[]>;
  /** The last study's end and where its models lie; undefined while it goes on. */
  result(study?: string): Promise<StudyResult | undefined>;
}

type Ask = (method: "GET" | "POST", path: string, body?: unknown) => Promise<unknown>;

/** Every method throws what the coordinator throws, and `home-invalid`, or `home-locked` where it does not answer. */
export function adminClient(home: string, clock: Clock = systemClock, passphrase?: string): AdminClient {
  const operate = <T>(here: (coordinator: Coordinator) => Promise<T>, there: (ask: Ask) => Promise<T>): Promise<T> =>
    hereOrThere({ home, clock, dormant: true, passphrase }, here, there);
  return {
    invite: (invitation) =>
      operate(
        (coordinator) => coordinator.invite(invitation),
        async (ask) => (await ask("POST", "/invite", invitation)) as MadeInvitation,
      ),
    submitStudy: (study) =>
      operate(
        (coordinator) => coordinator.submitStudy(study),
        async (ask) => {
          const prepared = await storeStudyObjects(study, await openStore(home));
          return (await ask("POST", "/submit", prepared)) as SubmittedStudy;
        },
      ),
    stopStudy: (reason) =>
      operate(
        (coordinator) => coordinator.stopStudy(reason),
        async (ask) => void (await ask("POST", "/stop", { reason })),
      ),
    changeStudy: (change) =>
      operate(
        (coordinator) => coordinator.changeStudy(change),
        async (ask) => void (await ask("POST", "/change", change)),
      ),
    revokeSite: (siteId, reason) =>
      operate(
        (coordinator) => coordinator.revokeSite(siteId, reason),
        async (ask) => void (await ask("POST", "/revoke", { siteId, reason })),
      ),
    rotateAuthority: (overlapDays) =>
      operate(
        (coordinator) => coordinator.rotateAuthority(overlapDays),
        async (ask) => (await ask("POST", "/rotate-authority", { overlapDays })) as RotatedAuthority,
      ),
    status: (study) =>
      operate(
        async (coordinator) => coordinator.status(0, study),
        async (ask) => (await ask("POST", "/status", { study })) as CoordinatorStatus,
      ),
    models: () =>
      operate(
        async (coordinator) => modelsOf(coordinator.state()),
        async (ask) => (await ask("GET", "/models")) as readonly ModelEntry[],
      ),
    result: (study) =>
      operate(
        async (coordinator) => coordinator.result(study),
        async (ask) => ((await ask("POST", "/result", { study })) as StudyResult | null) ?? undefined,
      ),
  };
}

async function hereOrThere<T>(
  options: OpenOptions,
  here: (coordinator: Coordinator) => Promise<T>,
  there: (ask: Ask) => Promise<T>,
): Promise<T> {
  const { home } = options;
  await readHome(home, options.passphrase);
  for (let waitedMs = 0; ; waitedMs += RETRY_MS) {
    const coordinator = await openUnlessRunning(options);
    if (coordinator !== undefined) {
      try {
        return await here(coordinator);
      } finally {
        await coordinator.close();
      }
    }
    const running = await readAdminFile(home);
    try {
      if (running !== undefined) return await there((method, path, body) => ask(running, method, path, body));
    } catch (error) {
      if (!(error instanceof ConsiliumError && error.code === "unreachable")) throw error;
    }
    if (waitedMs >= PATIENCE_MS) throw silent();
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
}

async function openUnlessRunning(options: OpenOptions): Promise<Coordinator | undefined> {
  try {
    return await openCoordinator(options);
  } catch (error) {
    if (error instanceof ConsiliumError && error.code === "home-locked") return undefined;
    throw error;
  }
}

type AdminFile = z.infer<typeof adminFileSchema>;

/** Undefined where the coordinator is only starting, or a command holds the lock for a moment. */
async function readAdminFile(home: string): Promise<AdminFile | undefined> {
  try {
    return adminFileSchema.parse(JSON.parse(await readFile(join(home, ADMIN_FILE), "utf8")));
  } catch {
    return undefined;
  }
}

function ask({ port, token }: AdminFile, method: string, path: string, body: unknown): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${token}` };
    const options = { host: "127.0.0.1", port, method, path, headers, timeout: LIMITS.requestTimeoutMs, agent: false };
    const call = request(options, (response) => {
      const pieces: Buffer[] = [];
      response.on("data", (piece: Buffer) => pieces.push(piece));
      response.on("error", () => reject(silent()));
      response.on("end", () => {
        try {
          const value = JSON.parse(Buffer.concat(pieces).toString("utf8")) as { error?: ErrorRecord } | null;
          if (response.statusCode === 200) resolve(value);
          else reject(errorFromRecord(value?.error as ErrorRecord));
        } catch {
          reject(silent());
        }
      });
    });
    call.on("timeout", () => call.destroy());
    call.on("error", (cause) => reject(silent("unreachable", cause)));
    call.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

function silent(code: "home-locked" | "unreachable" = "home-locked", cause?: unknown): ConsiliumError {
  return new ConsiliumError(code, {
    subject: "home of the coordinator",
    expected: "a coordinator that answers, or none",
    actual: "a process that holds the home and does not answer",
    hint: "Try again in a moment; if it stays so, stop that process.",
    cause,
  });
}
