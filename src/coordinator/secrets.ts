/**
 * Secrets of invitations: beside the journal, never in it, since the journal may be shown to an auditor. A secret is
 * kept until its invitation expires, so that a site whose answer was lost can ask again with the same key.
 */
import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { ConsiliumError } from "../base/index.ts";
import { systemCode, writeError } from "../protocol/index.ts";
import { writePrivately } from "./home-files.ts";

const secretsSchema = z.record(z.string(), z.strictObject({ secret: z.string(), expiresMs: z.number() }));

export interface Secrets {
  /** A new secret, 32 random bytes as base64url, durable before it is returned. */
  create(invitationId: string, expiresMs: number, nowMs: number): Promise<string>;
  get(invitationId: string): string | undefined;
}

export async function openSecrets(folder: string): Promise<Secrets> {
  const path = join(folder, "invitations.json");
  let secrets = await readSecrets(path);
  let queue: Promise<unknown> = Promise.resolve();
  async function createNow(invitationId: string, expiresMs: number, nowMs: number): Promise<string> {
    const secret = randomBytes(32).toString("base64url");
    const valid = Object.entries(secrets).filter(([, each]) => each.expiresMs >= nowMs);
    const next = { ...Object.fromEntries(valid), [invitationId]: { secret, expiresMs } };
    try {
      await writePrivately(path, JSON.stringify(next));
    } catch (error) {
      throw writeError(error, "invitations of the coordinator");
    }
    secrets = next;
    return secret;
  }
  return {
    /** One after another: each writes the whole file. */
    create(invitationId, expiresMs, nowMs) {
      const made = queue.then(() => createNow(invitationId, expiresMs, nowMs));
      queue = made.catch(() => undefined);
      return made;
    },
    get: (invitationId) => (Object.hasOwn(secrets, invitationId) ? secrets[invitationId].secret : undefined),
  };
}

async function readSecrets(path: string): Promise<z.infer<typeof secretsSchema>> {
  try {
    return secretsSchema.parse(JSON.parse(await readFile(path, "utf8")));
  } catch (cause) {
    if (systemCode(cause) === "ENOENT") return {};
    throw new ConsiliumError("home-invalid", {
      subject: "invitations of the coordinator",
      expected: "a file written by this product",
      actual: "a damaged one",
      hint: "Remove invitations.json from the home: open invitations end with it, and new ones can be made.",
      cause,
    });
  }
}
