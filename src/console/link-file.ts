/**
 * How a command gets a sign-in link from the console that runs: `console.json` in the home, readable by its owner only,
 * names the console's address and a token; who shows the token is given links. Whoever can read the home may see all
 * of it anyway.
 */
import { readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { z } from "zod";
import { ConsiliumError, LIMITS } from "../base/index.ts";
import { ROLES, type Role } from "./authorisation.ts";
import type { ConsoleServer } from "./console-server.ts";
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

/** Gives links to commands until it is closed. */
export async function offerLinks(home: string, console: ConsoleServer): Promise<{ close(): Promise<void> }> {
  const token = newToken();
  const server = createServer((request, response) => {
    const role = ROLES.find((each) => request.url === `/link/${each}`);
    const allowed = sameSecret(request.headers.authorization ?? "", `Bearer ${token}`);
    response.writeHead(allowed && role !== undefined ? 200 : 403, { "content-type": "application/json" });
    response.end(allowed && role !== undefined ? JSON.stringify(console.signInLink(role)) : "{}");
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
    const { port, token } = fileSchema.parse(JSON.parse(await readFile(join(home, FILE), "utf8")));
    const answer = await fetch(`http://127.0.0.1:${port}/link/${role}`, {
      headers: { authorization: `Bearer ${token}` },
      signal: AbortSignal.timeout(LIMITS.requestTimeoutMs),
    });
    return linkSchema.parse(await answer.json());
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

function closed(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
