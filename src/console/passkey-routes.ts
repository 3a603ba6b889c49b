/** Signing in by passkeys over HTTP, and their registration by somebody who is signed in. Bodies are JSON. */
import type { IncomingMessage } from "node:http";
import type { ConsoleContext, Handler, Handlers, OpenHandlers } from "./console-context.ts";
import type { ListedPasskey, Passkeys } from "./passkeys.ts";
import { json, readBody } from "./plain-http.ts";
import { notOffered } from "./refusals.ts";
import type { Session } from "./sessions.ts";
import { sessionCookie } from "./sign-in-routes.ts";

/** An answer with the keys and extensions of an authenticator. */
const PASSKEY_BYTES = 64 << 10;

export const PASSKEY_SIGN_IN_ROUTES: OpenHandlers<"POST /passkey/sign-in" | "POST /passkey/signed-in"> = {
  async "POST /passkey/sign-in"(context, { response }) {
    const passkeys = offered(context);
    context.signIns.take("passkeys");
    json(response, 200, await passkeys.beginSignIn());
  },
  async "POST /passkey/signed-in"(context, { request, response }) {
    const passkeys = offered(context);
    context.signIns.take("passkeys");
    const { role, who, id } = await passkeys.finishSignIn((await bodyOf(request)).answer);
    const { cookie } = context.sessions.open(role, who, id);
    response.setHeader("set-cookie", sessionCookie(context.cookieName, cookie));
    json(response, 200, {});
  },
};

type PasskeyRoute = `POST /passkey/${"list" | "register" | "registered" | "remove" | "at-name"}`;

export const PASSKEY_ROUTES: Handlers<PasskeyRoute> = {
  "POST /passkey/list": answering(({ passkeys }) => passkeys.list()),
  "POST /passkey/register": answering(({ passkeys, session }) =>
    passkeys.beginRegistration(session.csrf, session.role),
  ),
  "POST /passkey/registered": answering(async ({ passkeys, session, body }) => {
    const { answer, label } = await body();
    const named = typeof label === "string" ? label : "";
    return passkeys.finishRegistration(session.csrf, session.role, named, answer);
  }),
  "POST /passkey/remove": answering(async (asked) => removePasskey(asked, String((await asked.body()).id))),
  /** An address at `localhost` that signs in once, as whoever has the session and no longer than that. */
  "POST /passkey/at-name": answering(async ({ sessions, session, atName }) => ({
    url: `${atName()}/#sign-in=${sessions.createLink(session.role, session).token}`,
  })),
};

/** Ends its use, and every session that it opened. @throws ConsiliumError `file-not-found` */
export async function removePasskey(
  context: Pick<ConsoleContext, "passkeys" | "sessions">,
  id: string,
): Promise<readonly ListedPasskey[]> {
  const left = await offered(context).remove(id);
  context.sessions.endByPasskey(id);
  return left;
}

interface Asked extends Pick<ConsoleContext, "sessions" | "atName"> {
  readonly passkeys: Passkeys;
  readonly session: Session;
  readonly body: () => Promise<Readonly<Record<string, unknown>>>;
}

function answering(work: (asked: Asked) => Promise<unknown>): Handler {
  return async (context, { request, response }, session) => {
    const asked = { ...context, passkeys: offered(context), session, body: () => bodyOf(request) };
    json(response, 200, await work(asked));
  };
}

function bodyOf(request: IncomingMessage): Promise<Readonly<Record<string, unknown>>> {
  return readBody(request, PASSKEY_BYTES);
}

/** @throws ConsiliumError `file-not-found` where this console has none */
function offered({ passkeys }: Pick<ConsoleContext, "passkeys">): Passkeys {
  if (passkeys === undefined) throw notOffered("passkeys");
  return passkeys;
}
