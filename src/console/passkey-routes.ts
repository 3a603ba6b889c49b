/** Signing in by passkeys over HTTP, and their registration by somebody who is signed in. Bodies are JSON. */
import type { ConsiliumError } from "../base/index.ts";
import { checkRole, PASSKEY_ROLES } from "./authorisation.ts";
import type { Passkeys } from "./passkeys.ts";
import { notOffered } from "./refusals.ts";
import type { Session, Sessions } from "./sessions.ts";

export interface PasskeyRequest {
  /** Behind `/passkey/`. */
  readonly action: string;
  readonly method: string;
  readonly body: () => Promise<Readonly<Record<string, unknown>>>;
  /** By both of its tokens; undefined without. */
  readonly session: Session | undefined;
}

export interface PasskeyAnswer {
  readonly json: unknown;
  /** Of a session that was opened. */
  readonly opened?: ReturnType<Sessions["open"]>;
}

interface PasskeyContext {
  readonly passkeys: Passkeys;
  readonly sessions: Sessions;
  readonly takeSignIn: () => void;
  readonly takeCall: (session: Session) => void;
  /** An address at `localhost` that signs in once, as whoever has the session and no longer than that. */
  readonly linkAtName: (session: Session) => string;
  readonly signInRequired: () => ConsiliumError;
}

/** @throws ConsiliumError `sign-in-required`, `role-refused`, `limit-exceeded`, `file-not-found` */
export async function answerPasskey(context: PasskeyContext, request: PasskeyRequest): Promise<PasskeyAnswer> {
  const { passkeys, sessions } = context;
  const { action, method, body } = request;
  if (method !== "POST") throw notOffered(`passkey/${action.slice(0, 40)}`);
  switch (action) {
    case "sign-in":
      context.takeSignIn();
      return { json: await passkeys.beginSignIn() };
    case "signed-in": {
      context.takeSignIn();
      const { role, who, id } = await passkeys.finishSignIn((await body()).answer);
      const opened = sessions.open(role, who, id);
      return { json: {}, opened };
    }
  }
  const session = request.session;
  if (session === undefined) throw context.signInRequired();
  context.takeCall(session);
  checkRole(session.role, PASSKEY_ROLES, "passkeys");
  switch (action) {
    case "list":
      return { json: await passkeys.list() };
    case "register":
      return { json: await passkeys.beginRegistration(session.csrf, session.role) };
    case "registered": {
      const { answer, label } = await body();
      const named = typeof label === "string" ? label : "";
      return { json: await passkeys.finishRegistration(session.csrf, session.role, named, answer) };
    }
    case "remove": {
      const id = String((await body()).id);
      const left = await passkeys.remove(id);
      sessions.endByPasskey(id);
      return { json: left };
    }
    case "at-name":
      return { json: { url: context.linkAtName(session) } };
    default:
      throw notOffered(`passkey/${action.slice(0, 40)}`);
  }
}
