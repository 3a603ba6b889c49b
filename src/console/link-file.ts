/**
 * How a command asks the console that runs for a sign-in link, or to remove a passkey: `console.json` in the home,
 * readable by its owner only, names the console's address and a token. Whoever can read the home may see all of it
 * anyway.
 */
import { readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { z } from "zod";
import { ConsiliumError, LIMITS } from "../base/index.ts";
import { type ErrorRecord, errorFromRecord, errorRecord } from "../protocol/index.ts";
import { ROLES, type Role } from "./authorisation.ts";
import type { ConsoleServer } from "./console-server.ts";
import { PASSKEYS_FILE, removePasskeyFrom } from "./passkeys.ts";
import { newToken, sameSecret } from "./sessions.ts";

const FILE = "console.json";

const fileSchema = z.strictObject({
  schema: z.literal("consilium.console/1"),
  /** Of the ear for commands, on 127.0.0.1. */
  port: z.number().int(),
  token: z.string(),
});

export interface SignInLink {
  readonly url: string;
  readonly expiresMs: number;
}

const linkSchema = z.strictObject({ url: z.string(), expiresMs: z.number() });

interface Answer {
  readonly status: number;
  readonly value: unknown;
}

async function answerCommand(console: ConsoleServer, asked: string): Promise<Answer> {
  const role = ROLES.find((each) => asked === `GET /link/${each}`);
  if (role !== undefined) return { status: 200, value: console.signInLink(role) };
  const passkey = /^DELETE \/passkey\/([\w-]{1,2000})$/.exec(asked)?.[1];
  if (passkey !== undefined) return { status: 200, value: await console.removePasskey(passkey) };
  return { status: 403, value: {} };
}

/** Does what commands ask, until it is closed. */
export async function offerLinks(home: string, console: ConsoleServer): Promise<{ close(): Promise<void> }> {
  const token = newToken();
  const server = createServer((request, response) => {
    const allowed = sameSecret(request.headers.authorization ?? "", `Bearer ${token}`);
    const say = ({ status, value }: Answer): void => {
      response.writeHead(status, { "content-type": "application/json" });
      response.end(JSON.stringify(value));
    };
    answerCommand(console, allowed ? `${request.method} ${request.url}` : "").then(say, (error: unknown) =>
      say({ status: 400, value: { error: errorRecord(error) } }),
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  const { port } = server.address() as AddressInfo;
  const path = join(home, FILE);
  await rm(path, { force: true });
  await writeFile(path, JSON.stringify({ schema: "consilium.console/1", port, token }), { mode: 0o600, flag: "wx" });
  return {
    async close() {
      await rm(path, { force: true });
      await closed(server);
    },
  };
}

/** @throws ConsiliumError `unreachable` where no console runs on this home */
export async function requestLink(home: string, role: Role): Promise<SignInLink> {
  try {
    return linkSchema.parse(await (await askConsole(home, "GET", `/link/${role}`)).json());
  } catch (cause) {
    throw new ConsiliumError("unreachable", {
      subject: "dashboard of this home",
      expected: "one that runs",
      actual: "none",
      hint: "Start it with the coordinator: `consilium coordinator start --home HOME`.",
      cause,
    });
  }
}

/**
 * Removes a passkey of a home: by the console that runs, which ends the sessions that it opened, or else by itself.
 * @throws ConsiliumError `file-not-found` for one that is not there, `home-invalid`, `unreachable` for a console that runs
 * and does not answer: nothing is removed then
 */
export async function removePasskeyOf(
  home: string,
  id: string,
  withinMs: number = LIMITS.requestTimeoutMs,
): Promise<void> {
  let answer: Response;
  try {
    answer = await askConsole(home, "DELETE", `/passkey/${id}`, withinMs);
  } catch (error) {
    // One that runs and does not answer would go on letting people in.
    if (error instanceof DOMException && error.name === "TimeoutError") throw silent(error);
    await removePasskeyFrom(join(home, PASSKEYS_FILE), id);
    return;
  }
  if (answer.ok) return;
  const { error } = (await answer.json()) as { readonly error?: ErrorRecord };
  throw error === undefined ? silent() : errorFromRecord(error);
}

function silent(cause?: unknown): ConsiliumError {
  return new ConsiliumError("unreachable", {
    subject: "console of this home",
    expected: "one of this version that answers",
    actual: "none",
    hint: "Stop it, and try again.",
    cause,
  });
}

async function askConsole(
  home: string,
  method: "GET" | "DELETE",
  path: string,
  withinMs: number = LIMITS.requestTimeoutMs,
): Promise<Response> {
  const { port, token } = fileSchema.parse(JSON.parse(await readFile(join(home, FILE), "utf8")));
  return fetch(`http://127.0.0.1:${port}${path}`, {
    method,
    headers: { authorization: `Bearer ${token}` },
    signal: AbortSignal.timeout(withinMs),
  });
}

function closed(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
