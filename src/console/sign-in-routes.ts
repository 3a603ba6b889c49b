/** Signing in by links and by an identity provider, signing out, and what a page is told of its session. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { ConsiliumError } from "../base/index.ts";
import { errorRecord } from "../protocol/index.ts";
import type { ConsoleContext, Exchange, Handlers, OpenHandlers } from "./console-context.ts";
import type { IdentityProvider } from "./identity-provider.ts";
import type { Passkeys } from "./passkeys.ts";
import { json, readBody, readCookie, redirect } from "./plain-http.ts";
import { notOffered } from "./refusals.ts";
import type { Session } from "./sessions.ts";

const SIGN_IN_BYTES = 4096;

export const SIGN_IN_ROUTES: OpenHandlers<"GET /session" | "POST /session" | "GET /oidc/begin" | "GET /oidc/callback"> =
  {
    async "GET /session"(context, { request, response }) {
      const { sessions, cookieName } = context;
      json(response, 200, await facts(context, sessions.find(readCookie(request, cookieName))));
    },
    async "POST /session"(context, { request, response }) {
      const { sessions, signIns, cookieName } = context;
      signIns.take("links");
      const { cookie, session } = sessions.redeem(await readToken(request));
      response.setHeader("set-cookie", sessionCookie(cookieName, cookie));
      json(response, 200, await facts(context, session));
    },
    "GET /oidc/begin": begin,
    "GET /oidc/callback": callBack,
  };

export const SIGN_OUT_ROUTE: Handlers<"DELETE /session"> = {
  async "DELETE /session"(context, { request, response }) {
    const { sessions, cookieName } = context;
    sessions.end(readCookie(request, cookieName) ?? "");
    response.setHeader("set-cookie", `${sessionCookie(cookieName, "")}; Max-Age=0`);
    json(response, 200, await facts(context, undefined));
  },
};

export function sessionCookie(name: string, value: string): string {
  return `${name}=${value}; Path=/; HttpOnly; SameSite=Strict`;
}

/** Kept by the browser while it is at the provider: sent along when the provider sends it back, and to no script. */
function stateCookie({ cookieName }: ConsoleContext): string {
  return `${cookieName}-begun`;
}

/** A picture or frame of another site's page must not spend what people sign in by; browsers without the headers may. */
function checkAskedByPerson({ headers }: IncomingMessage, from: readonly string[]): void {
  const { "sec-fetch-dest": as = "document", "sec-fetch-site": site = "none" } = headers;
  if (as === "document" && from.includes(String(site))) return;
  throw new ConsiliumError("role-refused", {
    subject: "signing in by an identity provider",
    expected: "a person who follows the link of the dashboard's first page",
    actual: `${String(as).slice(0, 20)}, asked for by ${String(site).slice(0, 20)}`,
    hint: "Open the address that the command line shows.",
  });
}

/** @throws ConsiliumError `file-not-found` where people do not sign in by one here */
function offered({ identity }: ConsoleContext): IdentityProvider {
  if (identity === undefined) throw notOffered("signing in by an identity provider");
  return identity;
}

async function begin(context: ConsoleContext, { request, response }: Exchange): Promise<void> {
  const identity = offered(context);
  checkAskedByPerson(request, ["same-origin", "none"]);
  await orBackToSignIn(context, response, async () => {
    context.signIns.take("begun");
    const { url, state } = await identity.begin(`http://${request.headers.host}/oidc/callback`);
    response.setHeader("set-cookie", `${stateCookie(context)}=${state}; Path=/oidc; HttpOnly; SameSite=Lax`);
    redirect(response, url);
  });
}

async function callBack(context: ConsoleContext, { request, response }: Exchange): Promise<void> {
  const identity = offered(context);
  const { sessions, cookieName, signIns } = context;
  checkAskedByPerson(request, ["cross-site", "same-site", "same-origin", "none"]);
  await orBackToSignIn(context, response, async () => {
    const kept = readCookie(request, stateCookie(context));
    signIns.take(kept === undefined ? "strangers" : "answers");
    const answer = new URL(request.url ?? "/", "http://console");
    const { role, who } = await identity.finish(answer, kept);
    const { cookie } = sessions.open(role, who);
    response.setHeader("set-cookie", [
      sessionCookie(cookieName, cookie),
      `${stateCookie(context)}=; Path=/oidc; HttpOnly; SameSite=Lax; Max-Age=0`,
    ]);
    redirect(response, "/");
  });
}

/** People who sign in see the page, and the code of what was refused; its words are the page's own. */
async function orBackToSignIn(
  { onRefused }: ConsoleContext,
  response: ServerResponse,
  work: () => Promise<void>,
): Promise<void> {
  try {
    await work();
  } catch (error) {
    const { code } = errorRecord(error);
    if (code !== "limit-exceeded") onRefused?.(error);
    redirect(response, `/#refused=${code}`);
  }
}

async function facts(context: ConsoleContext, session: Session | undefined): Promise<object> {
  const { face, name, version, identity, passkeys } = context;
  const signedIn = session && {
    role: session.role,
    who: session.who,
    csrf: session.csrf,
    expiresMs: session.expiresMs,
  };
  return {
    face,
    name: session === undefined ? "" : name,
    version,
    provider: identity?.name ?? null,
    /** Null where there are none here; else where they work, and whether one is registered. */
    passkeys: passkeys === undefined ? null : { at: context.atName(), registered: await hasPasskeys(passkeys) },
    session: signedIn ?? null,
  };
}

/** Whoever signs in otherwise is let in where the file of passkeys is damaged, and told on its own screen. */
async function hasPasskeys(passkeys: Passkeys): Promise<boolean> {
  try {
    return (await passkeys.list()).length > 0;
  } catch {
    return false;
  }
}

async function readToken(request: IncomingMessage): Promise<string> {
  const { token } = await readBody(request, SIGN_IN_BYTES);
  if (typeof token === "string") return token;
  throw notOffered("a sign-in without a token");
}
