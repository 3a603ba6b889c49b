/** Who asks: the session behind a request, and whether it may. */
import type { Interceptor } from "@connectrpc/connect";
import { createContextKey } from "@connectrpc/connect";
import { ConsiliumError, LIMITS } from "../base/index.ts";
import { toConnectError } from "../protocol/index.ts";
import { AUTHORISATION, checkRole, ROUTES, type Route } from "./authorisation.ts";
import type { ConsoleContext } from "./console-context.ts";
import { type Headed, readCookie } from "./plain-http.ts";
import { signInRequired, tooManyStreams } from "./refusals.ts";
import { type Session, sameSecret } from "./sessions.ts";

const CSRF_HEADER = "x-consilium-csrf";

export const SESSION = createContextKey<Session | undefined>(undefined);

/** The session of a request that shows its cookie. */
function sessionByCookie({ sessions, cookieName }: ConsoleContext, request: Headed): Session | undefined {
  return sessions.find(readCookie(request, cookieName));
}

/** The session of a request that shows both of its tokens. */
export function sessionByBoth(context: ConsoleContext, request: Headed): Session | undefined {
  const session = sessionByCookie(context, request);
  const shown = request.headers[CSRF_HEADER];
  return session !== undefined && typeof shown === "string" && sameSecret(shown, session.csrf) ? session : undefined;
}

/** @throws ConsiliumError `sign-in-required`, `limit-exceeded`, `role-refused` */
export function letThrough(context: ConsoleContext, request: Headed, route: Route): Session {
  const { roles, shows } = ROUTES[route];
  const session = shows === "cookie" ? sessionByCookie(context, request) : sessionByBoth(context, request);
  if (session === undefined) throw signInRequired();
  context.calls.take(session.csrf);
  checkRole(session.role, roles, route);
  return session;
}

/** Lets calls of the services through, by both tokens and the table of rights. */
export function authorise({ calls, sessions }: ConsoleContext): Interceptor {
  let streams = 0;
  return (next) => async (request) => {
    try {
      const session = request.contextValues.get(SESSION);
      if (session === undefined) throw signInRequired();
      const method = `${request.service.typeName}/${request.method.name}`;
      checkRole(session.role, AUTHORISATION.get(method), method);
      calls.take(session.csrf);
      if (!request.stream) return await next(request);
      if (streams >= LIMITS.consoleStreams) throw tooManyStreams();
      // One that has been aborted already says so to no listener, and its room would never be free again.
      request.signal.throwIfAborted();
      streams++;
      request.signal.addEventListener("abort", () => streams--, { once: true });
      const answered = await next(request);
      if (!answered.stream) return answered;
      return { ...answered, message: untilOver(answered.message, () => sessions.isOver(session)) };
    } catch (error) {
      throw error instanceof ConsiliumError ? toConnectError(error) : error;
    }
  };
}

/** A stream that tells nothing more once its session is over, and says so with what would have been told next. */
async function* untilOver<T>(messages: AsyncIterable<T>, isOver: () => boolean): AsyncGenerator<T> {
  for await (const message of messages) {
    if (isOver()) throw toConnectError(signInRequired());
    yield message;
  }
}
