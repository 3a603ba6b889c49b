/**
 * How people sign in to a dashboard by their organisation's identity provider: a file beside the coordinator's home.
 *
 * Invariant: fail closed. A key that is not known is refused, a provider must be reached over TLS unless it runs on this
 * very machine, and a role is given to nobody whom the file does not name.
 */
import { readFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { parse } from "yaml";
import { z } from "zod";
import { ConsiliumError } from "../base/index.ts";
import { ROLES, type Role } from "./authorisation.ts";

const names = z.array(z.string().min(1).max(200)).min(1).max(100);

const signInSchema = z.strictObject({
  schema: z.literal("consilium.sign-in/1"),
  /** Address of the provider, as its tokens name it. */
  issuer: z.url(),
  clientId: z.string().min(1).max(200),
  /** File with the client's secret, relative to this one; none for a public client. */
  clientSecretFile: z.string().min(1).optional(),
  scopes: z.array(z.string().regex(/^[\x21\x23-\x5b\x5d-\x7e]+$/)).default(["openid", "email"]),
  /** The claim whose values decide; a list of keys where it lies inside others. */
  claim: z.union([z.string().min(1), names]).default("groups"),
  /** Values of the claim by role; where several roles fit, the first of this order: lead, reviewer, operator, auditor, read-only. */
  roles: z.partialRecord(z.enum(ROLES), names),
});

export interface SignInRules {
  readonly issuer: URL;
  readonly clientId: string;
  readonly clientSecret: string | undefined;
  readonly scopes: readonly string[];
  /** Keys from the outside in. */
  readonly claim: readonly string[];
  readonly roles: Readonly<Partial<Record<Role, readonly string[]>>>;
}

/** @throws ConsiliumError `usage` for a file that says something else, `file-not-found` */
export async function readSignInFile(path: string): Promise<SignInRules> {
  const parsed = signInSchema.safeParse(parseYaml(await readText(path), path));
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw refused(path, "a sign-in file", `${issue.path.join(".") || "the file"}: ${issue.message}`);
  }
  const { clientId, clientSecretFile, scopes, claim, roles } = parsed.data;
  const issuer = new URL(parsed.data.issuer);
  if (issuer.protocol !== "https:" && !isThisMachine(issuer)) {
    throw refused(path, "an issuer over https", `${issuer.protocol}//${issuer.host}`);
  }
  if (Object.keys(roles).length === 0) throw refused(path, "a value of the claim for one role at least", "none");
  const secretPath = clientSecretFile === undefined ? undefined : resolve(dirname(path), clientSecretFile);
  const clientSecret = secretPath === undefined ? undefined : (await readText(secretPath)).trim();
  if (clientSecret === "") throw refused(path, "a secret in clientSecretFile", "an empty file");
  return {
    issuer,
    clientId,
    clientSecret,
    scopes: scopes.includes("openid") ? scopes : ["openid", ...scopes],
    claim: typeof claim === "string" ? [claim] : claim,
    roles,
  };
}

export function isThisMachine({ hostname }: URL): boolean {
  return hostname === "localhost" || hostname === "127.0.0.1" || hostname === "[::1]";
}

/** The role that a person's claims amount to; undefined where none is named. */
export function roleOf(claims: unknown, { claim, roles }: Pick<SignInRules, "claim" | "roles">): Role | undefined {
  let value = claims;
  for (const key of claim) {
    const holds = typeof value === "object" && value !== null && Object.hasOwn(value, key);
    value = holds ? (value as Readonly<Record<string, unknown>>)[key] : undefined;
  }
  const given = (Array.isArray(value) ? value : [value]).filter((each) => typeof each === "string");
  return ROLES.find((role) => roles[role]?.some((name) => given.includes(name)));
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    throw new ConsiliumError("file-not-found", {
      subject: path,
      expected: "a file that can be read",
      actual: (cause as NodeJS.ErrnoException).code ?? "none",
      hint: "Check the path and its permissions.",
      cause,
    });
  }
}

function parseYaml(text: string, path: string): unknown {
  try {
    return parse(text);
  } catch {
    throw refused(path, "YAML", "something else");
  }
}

function refused(subject: string, expected: string, actual: string): ConsiliumError {
  return new ConsiliumError("usage", {
    subject,
    expected,
    actual,
    hint: "See “Signing in by an identity provider” in docs/DASHBOARD.md.",
  });
}
