/**
 * The dashboard's and the site console's server: plain HTTP on loopback, its own files, sessions, and the console's
 * service by Connect under `/api`.
 *
 * Invariants
 * - Only what names this server as its host is answered (a page elsewhere cannot make its name mean this address), and
 *   only this server's own pages may ask.
 * - Beside the page itself and the signing in, nothing is answered without a session; every call shows the session's
 *   second token; every method and route is let through by `authorisation.ts` alone.
 * - A stream ends with its session, at the latest after LIMITS.consoleSignOfLifeMs.
 * - Requests are bounded in size, rate and number of streams; one request's error is one answer.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { createContextValues } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { ConsiliumError, createRateLimit, LIMITS, listenOnLoopback, sha256, systemClock } from "../base/index.ts";
import { OPEN_ROUTES, type OpenRoute, ROUTES, type Role, type Route } from "./authorisation.ts";
import { authorise, letThrough, SESSION, sessionByBoth } from "./callers.ts";
import type { ConsoleContext, ConsoleOptions, Handlers, OpenHandlers } from "./console-context.ts";
import { FILE_ROUTES } from "./file-routes.ts";
import { PASSKEY_ROUTES, PASSKEY_SIGN_IN_ROUTES, removePasskey } from "./passkey-routes.ts";
import { type ListedPasskey, openPasskeys, removePasskeyFrom } from "./passkeys.ts";
import { refuse } from "./plain-http.ts";
import { createSessions } from "./sessions.ts";
import { SIGN_IN_ROUTES, SIGN_OUT_ROUTE } from "./sign-in-routes.ts";
import { answerStatic, COMMON_HEADERS, readStaticFiles } from "./static-files.ts";
import { STUDY_FILE_ROUTES } from "./study-file-routes.ts";

const API = "/api";

const OPEN_HANDLERS: OpenHandlers = { ...SIGN_IN_ROUTES, ...PASSKEY_SIGN_IN_ROUTES };
const HANDLERS: Handlers = { ...SIGN_OUT_ROUTE, ...PASSKEY_ROUTES, ...FILE_ROUTES, ...STUDY_FILE_ROUTES };

export interface ConsoleServer {
  /** `http://127.0.0.1:PORT` */
  readonly url: string;
  /** An address that signs in once, under a role. */
  signInLink(role: Role): { readonly url: string; readonly expiresMs: number };
  /** Removes a passkey, and ends the sessions that it opened. @throws ConsiliumError `file-not-found` */
  removePasskey(id: string): Promise<readonly ListedPasskey[]>;
  close(): Promise<void>;
}

/** @throws ConsiliumError `usage` where the port is taken, `file-not-found` without a built dashboard */
export async function startConsoleServer(options: ConsoleOptions): Promise<ConsoleServer> {
  const clock = options.clock ?? systemClock;
  const statics = await readStaticFiles(options.files);
  let port = options.port;
  const context: ConsoleContext = {
    ...options,
    sessions: createSessions(clock),
    cookieName: `consilium-${sha256(options.id).slice(0, 12)}`,
    atName: () => `http://localhost:${port}`,
    passkeys: undefined,
    signIns: createRateLimit("signing in", LIMITS.consoleSignInsBurst, LIMITS.consoleSignInsPerSecond, clock),
    calls: createRateLimit("calls of a session", LIMITS.consoleCallsBurst, LIMITS.consoleCallsPerSecond, clock),
    volumes: new Set(),
  };
  const api = connectNodeAdapter({
    routes: options.routes,
    requestPathPrefix: API,
    interceptors: [authorise(context)],
    readMaxBytes: LIMITS.messageBytes,
    contextValues: (request) => createContextValues().set(SESSION, sessionByBoth(context, request)),
    grpc: false,
    grpcWeb: false,
  });
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    for (const [name, value] of Object.entries(COMMON_HEADERS)) response.setHeader(name, value);
    checkHost([`127.0.0.1:${port}`, `localhost:${port}`], request);
    const { pathname: path, searchParams: asked } = new URL(request.url ?? "/", "http://console");
    if (path.startsWith(`${API}/`)) {
      response.setHeader("cache-control", "no-store");
      return api(request, response);
    }
    const name = `${request.method} ${path}`;
    const exchange = { request, response, asked };
    if (isOpenRoute(name)) return OPEN_HANDLERS[name](context, exchange);
    if (isRoute(name)) return HANDLERS[name](context, exchange, letThrough(context, request, name));
    answerStatic(statics, request, response, path);
  };
  const serve = (): Server => {
    const made = createServer((request, response) => {
      answer(request, response).catch((error: unknown) => refuse(response, error));
    });
    made.requestTimeout = LIMITS.requestTimeoutMs;
    return made;
  };
  const server = serve();
  await listenOnLoopback(server, options.port, `dashboard, 127.0.0.1:${options.port}`);
  port = (server.address() as AddressInfo).port;
  const url = `http://127.0.0.1:${port}`;
  const second = options.passkeysFile === undefined ? undefined : await listenOnSecondLoopback(serve(), port);
  if (options.passkeysFile !== undefined && second !== "taken") {
    const { passkeysFile: file, name } = options;
    context.passkeys = openPasskeys({ file, name, origin: context.atName, clock });
  }
  const look = setInterval(() => {
    // A disk that removes nothing now is tried again at the next look.
    options.studyFiles?.removeEnded(context.sessions.isOver).catch(() => undefined);
  }, LIMITS.consoleStudyFilesLookMs).unref();
  return {
    url,
    signInLink(role) {
      const { token, expiresMs } = context.sessions.createLink(role);
      return { url: `${url}/#sign-in=${token}`, expiresMs };
    },
    async removePasskey(id) {
      const { passkeysFile } = options;
      // Where another program answers to the name nobody signs in by them, and the home keeps them all the same.
      if (context.passkeys !== undefined || passkeysFile === undefined) return removePasskey(context, id);
      return removePasskeyFrom(passkeysFile, id);
    },
    async close() {
      clearInterval(look);
      await Promise.all([server, second].map(closed));
    },
  };
}

/**
 * A browser that is told `localhost` may try ::1 first. No other program may be heard there under this console's name: it
 * could ask for the passkeys in its place.
 * @returns the server, undefined on a machine without ::1, or "taken"
 */
function listenOnSecondLoopback(server: Server, port: number): Promise<Server | undefined | "taken"> {
  return new Promise((resolve) => {
    server.once("error", ({ code }: NodeJS.ErrnoException) => {
      resolve(code === "EADDRNOTAVAIL" || code === "EAFNOSUPPORT" ? undefined : "taken");
    });
    server.listen(port, "::1", () => resolve(server));
  });
}

function closed(server: Server | undefined | "taken"): Promise<void> {
  return new Promise((resolve) => {
    if (server === undefined || server === "taken") return resolve();
    server.close(() => resolve());
    server.closeAllConnections();
  });
}

function isOpenRoute(name: string): name is OpenRoute {
  return (OPEN_ROUTES as readonly string[]).includes(name);
}

function isRoute(name: string): name is Route {
  return Object.hasOwn(ROUTES, name);
}

/** @throws ConsiliumError `role-refused` for a request that another page, or another name, led here */
function checkHost(hosts: readonly string[], { headers }: IncomingMessage): void {
  const { host, origin } = headers;
  const ownHost = host !== undefined && hosts.includes(host);
  const ownOrigin = origin === undefined || hosts.some((each) => origin === `http://${each}`);
  if (ownHost && ownOrigin) return;
  throw new ConsiliumError("role-refused", {
    subject: "request",
    expected: `one to ${hosts[0]}, by its own pages`,
    actual: ownHost ? "a page of another origin" : "another host's name",
    hint: "Open the address that the command line shows.",
  });
}
