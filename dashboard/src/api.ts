/**
 * How the dashboard speaks to the console that served it: the session, and the two services by Connect. Nothing else is
 * ever asked.
 */
import { type Client, ConnectError, createClient, type Interceptor } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-web";
import { CoordinatorConsole, SiteConsole } from "../../src/protocol/gen/consilium/v1/console_pb.ts";
import { RefusalSchema } from "../../src/protocol/gen/consilium/v1/federation_pb.ts";
import type { Trouble } from "./trouble.ts";

export type Role = "lead" | "reviewer" | "operator" | "auditor" | "read-only";

export interface Facts {
  readonly face: "coordinator" | "site";
  readonly name: string;
  readonly version: string;
  /** An identity provider that people may sign in by. */
  readonly provider: string | null;
  /** Where operators' passkeys work, and whether there is one; null where there are none. */
  readonly passkeys: { readonly at: string; readonly registered: boolean } | null;
  readonly session: {
    readonly role: Role;
    readonly who: string;
    readonly csrf: string;
    readonly expiresMs: number;
  } | null;
}

let csrf = "";

/** The session's second token, for what is fetched beside the services. */
export function csrfToken(): string {
  return csrf;
}

const showToken: Interceptor = (next) => (request) => {
  request.header.set("x-consilium-csrf", csrf);
  return next(request);
};

const transport = createConnectTransport({ baseUrl: "/api", useBinaryFormat: true, interceptors: [showToken] });

export const coordinator: Client<typeof CoordinatorConsole> = createClient(CoordinatorConsole, transport);
export const site: Client<typeof SiteConsole> = createClient(SiteConsole, transport);

/** Who is signed in here; signs in first where the address carries a token. @throws a Trouble */
export async function openSession(): Promise<Facts> {
  const token = /^#sign-in=([\w-]{20,100})$/.exec(location.hash)?.[1];
  if (token === undefined) return take(await fetch("/session"));
  // The token is spent: neither the address bar nor the history keeps it.
  history.replaceState(null, "", "/");
  return take(await fetch("/session", { method: "POST", body: JSON.stringify({ token }) }));
}

/** The code of a signing in that the server refused, once: the address does not keep it. */
export function refusedSignIn(): string | undefined {
  const code = /^#refused=([a-z-]{1,40})$/.exec(location.hash)?.[1];
  if (code !== undefined) history.replaceState(null, "", "/");
  return code;
}

export async function signOut(): Promise<void> {
  await fetch("/session", { method: "DELETE", headers: { "x-consilium-csrf": csrf } });
  location.assign("/");
}

async function take(response: Response): Promise<Facts> {
  const value = (await response.json()) as Facts & { error?: Trouble };
  if (value.error !== undefined) throw value.error;
  csrf = value.session?.csrf ?? "";
  return value;
}

/** What went wrong, in the product's own words where it was the product that refused. */
export function troubleOf(error: unknown): Trouble {
  if (error instanceof ConnectError) {
    const [refusal] = error.findDetails(RefusalSchema);
    if (refusal !== undefined) return refusal;
  }
  if (typeof error === "object" && error !== null && "code" in error && "hint" in error) return error as Trouble;
  return {
    code: "unreachable",
    subject: "this dashboard's server",
    expected: "an answer",
    actual: "none",
    hint: "Check that it still runs; this page goes on by itself when it does.",
  };
}
