/**
 * The dashboard's and the site console's server: plain HTTP on loopback, its own files, sessions, and the console's
 * service by Connect under `/api`.
 *
 * Invariants
 * - Only what names this server as its host is answered (a page elsewhere cannot make its name mean this address), and
 *   only this server's own pages may ask.
 * - Beside the page itself and the signing in, nothing is answered without a session; every call shows the session's
 *   second token; every method and download is let through by `authorisation.ts` alone.
 * - A stream ends with its session, at the latest after LIMITS.consoleSignOfLifeMs.
 * - Requests are bounded in size, rate and number of streams; one request's error is one answer.
 */
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from "node:http";
import type { AddressInfo } from "node:net";
import type { ConnectRouter, Interceptor } from "@connectrpc/connect";
import { createContextKey, createContextValues } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import {
  type Clock,
  ConsiliumError,
  createRateLimit,
  LIMITS,
  listenOnLoopback,
  sha256,
  systemClock,
} from "../base/index.ts";
import { errorRecord, toConnectError } from "../protocol/index.ts";
import {
  AUTHORISATION,
  checkRole,
  DOWNLOADS,
  type DownloadName,
  type Face,
  PATIENTS,
  type Role,
} from "./authorisation.ts";
import type { IdentityProvider } from "./identity-provider.ts";
import { answerPasskey } from "./passkey-routes.ts";
import { openPasskeys, type Passkeys } from "./passkeys.ts";
import { notOffered } from "./refusals.ts";
import { createSessions, type Session, type Sessions, sameSecret } from "./sessions.ts";
import { COMMON_HEADERS, PAGE_POLICY, REPORT_POLICY, readStaticFiles, type StaticFile } from "./static-files.ts";

const API = "/api";
export const CSRF_HEADER = "x-consilium-csrf";
const SIGN_IN_BYTES = 4096;
/** An answer with the keys and extensions of an authenticator. */
const PASSKEY_BYTES = 64 << 10;

export interface ConsoleOptions {
  readonly face: Face;
  /** Of the federation, or of the site. */
  readonly name: string;
  readonly version: string;
  /** Of the home: keeps apart the cookies of several consoles on one machine. */
  readonly id: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** Folder of the dashboard's own files. */
  readonly files: string;
  readonly routes: (router: ConnectRouter) => void;
  /** @throws ConsiliumError where there is none yet */
  readonly download: (name: DownloadName) => Promise<Uint8Array | string>;
  /** A scan or a map of a case, as a NIfTI file; undefined where the home has no cases. @throws ConsiliumError */
  readonly volume?: ((caseId: string, part: string) => Promise<Uint8Array>) | undefined;
  /** A contact sheet of a case of intake, a PNG file; undefined where the home has no cases. @throws ConsiliumError */
  readonly sheet?: ((intakeKey: string, caseId: string, state: string) => Promise<Uint8Array>) | undefined;
  /** Where the home keeps its operators' passkeys; undefined for a console without. */
  readonly passkeysFile?: string | undefined;
  /** By whom people may sign in beside one-time links. */
  readonly identity?: IdentityProvider | undefined;
  /** Told why a signing in by the provider was refused: the browser sees a code alone. */
  readonly onRefused?: ((error: unknown) => void) | undefined;
  readonly clock?: Clock | undefined;
}

export interface ConsoleServer {
  /** `http://127.0.0.1:PORT` */
  readonly url: string;
  /** An address that signs in once, under a role. */
  signInLink(role: Role): { readonly url: string; readonly expiresMs: number };
  close(): Promise<void>;
}

interface Context extends ConsoleOptions {
  readonly sessions: Sessions;
  readonly cookieName: string;
  readonly statics: ReadonlyMap<string, StaticFile>;
  /** `http://localhost:PORT` */
  readonly atName: () => string;
  /** Undefined where there are none, or where another program answers to the name. */
  passkeys: Passkeys | undefined;
  readonly hosts: () => readonly string[];
  readonly signIns: { take(caller: string): void };
  readonly calls: { take(caller: string): void };
  /** Scans that are being read or sent. */
  readonly volumes: Set<ServerResponse>;
}

interface Headed {
  readonly headers: IncomingHttpHeaders;
}

const SESSION = createContextKey<Session | undefined>(undefined);

/** @throws ConsiliumError `usage` where the port is taken, `file-not-found` without a built dashboard */
export async function startConsoleServer(options: ConsoleOptions): Promise<ConsoleServer> {
  const clock = options.clock ?? systemClock;
  let port = options.port;
  const context: Context = {
    ...options,
    sessions: createSessions(clock),
    cookieName: `consilium-${sha256(options.id).slice(0, 12)}`,
    statics: await readStaticFiles(options.files),
    atName: () => `http://localhost:${port}`,
    passkeys: undefined,
    hosts: () => [`127.0.0.1:${port}`, `localhost:${port}`],
    signIns: createRateLimit("signing in", LIMITS.consoleSignInsBurst, LIMITS.consoleSignInsPerSecond, clock),
    calls: createRateLimit("calls of a session", LIMITS.consoleCallsBurst, LIMITS.consoleCallsPerSecond, clock),
    volumes: new Set(),
  };
  const api = connectNodeAdapter({
    routes: options.routes,
    requestPathPrefix: API,
    interceptors: [authorise(context)],
    readMaxBytes: LIMITS.messageBytes,
    contextValues: (request) => createContextValues().set(SESSION, sessionOf(context, request)),
    grpc: false,
    grpcWeb: false,
  });
  const serve = (): Server => {
    const made = createServer((request, response) => {
      answer(context, api, request, response).catch((error: unknown) => refuse(response, error));
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
  return {
    url,
    signInLink(role) {
      const { token, expiresMs } = context.sessions.createLink(role);
      return { url: `${url}/#sign-in=${token}`, expiresMs };
    },
    async close() {
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

async function answer(
  context: Context,
  api: (request: IncomingMessage, response: ServerResponse) => void,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  for (const [name, value] of Object.entries(COMMON_HEADERS)) response.setHeader(name, value);
  checkHost(context, request);
  const { pathname: path, searchParams } = new URL(request.url ?? "/", "http://console");
  if (path.startsWith(`${API}/`)) {
    response.setHeader("cache-control", "no-store");
    return api(request, response);
  }
  if (path === "/oidc/begin") return answerBegin(context, request, response);
  if (path === "/oidc/callback") return answerCallback(context, request, response);
  if (path.startsWith("/passkey/")) return answerPasskeyOf(context, request, response, path.slice("/passkey/".length));
  if (path === "/session") return answerSession(context, request, response);
  if (path.startsWith("/download/")) return answerDownload(context, request, response, path.slice("/download/".length));
  if (path === "/volume") return answerVolume(context, request, response, searchParams);
  if (path === "/sheet") return answerSheet(context, request, response, searchParams);
  return answerStatic(context, request, response, path);
}

/** @throws ConsiliumError `role-refused` for a request that another page, or another name, led here */
function checkHost({ hosts }: Context, { headers }: IncomingMessage): void {
  const { host, origin } = headers;
  const ownHost = host !== undefined && hosts().includes(host);
  const ownOrigin = origin === undefined || hosts().some((each) => origin === `http://${each}`);
  if (ownHost && ownOrigin) return;
  throw new ConsiliumError("role-refused", {
    subject: "request",
    expected: `one to ${hosts()[0]}, by its own pages`,
    actual: ownHost ? "a page of another origin" : "another host's name",
    hint: "Open the address that the command line shows.",
  });
}

function cookieOf({ cookieName }: Context, request: Headed): string | undefined {
  return readCookie(request, cookieName);
}

function readCookie(request: Headed, wanted: string): string | undefined {
  for (const pair of (request.headers.cookie ?? "").split(";")) {
    const [name, value] = pair.trim().split("=");
    if (name === wanted) return value;
  }
  return undefined;
}

/** The session behind a call that shows both of its tokens. */
function sessionOf(context: Context, request: Headed): Session | undefined {
  const session = context.sessions.find(cookieOf(context, request));
  const shown = request.headers[CSRF_HEADER];
  return session !== undefined && typeof shown === "string" && sameSecret(shown, session.csrf) ? session : undefined;
}

function authorise({ calls, sessions }: Context): Interceptor {
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

async function answerSession(context: Context, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { sessions, cookieName } = context;
  switch (request.method) {
    case "GET": {
      const session = sessions.find(cookieOf(context, request));
      return json(response, 200, await facts(context, session));
    }
    case "POST": {
      context.signIns.take("links");
      const { cookie, session } = sessions.redeem(await readToken(request));
      response.setHeader("set-cookie", sessionCookie(cookieName, cookie));
      return json(response, 200, await facts(context, session));
    }
    case "DELETE": {
      if (sessionOf(context, request) === undefined) throw signInRequired();
      sessions.end(cookieOf(context, request) ?? "");
      response.setHeader("set-cookie", `${sessionCookie(cookieName, "")}; Max-Age=0`);
      return json(response, 200, await facts(context, undefined));
    }
    default:
      throw notOffered(`${request.method} /session`);
  }
}

async function answerPasskeyOf(
  context: Context,
  request: IncomingMessage,
  response: ServerResponse,
  action: string,
): Promise<void> {
  const { passkeys, sessions, cookieName } = context;
  if (passkeys === undefined) throw notOffered("passkeys");
  const { json: value, opened } = await answerPasskey(
    {
      passkeys,
      sessions,
      takeSignIn: () => context.signIns.take("passkeys"),
      takeCall: ({ csrf }) => context.calls.take(csrf),
      linkAtName: (session) => `${context.atName()}/#sign-in=${sessions.createLink(session.role, session).token}`,
      signInRequired,
    },
    {
      action,
      method: request.method ?? "",
      body: () => readBody(request, PASSKEY_BYTES),
      session: sessionOf(context, request),
    },
  );
  if (opened !== undefined) response.setHeader("set-cookie", sessionCookie(cookieName, opened.cookie));
  json(response, 200, value);
}

function sessionCookie(name: string, value: string): string {
  return `${name}=${value}; Path=/; HttpOnly; SameSite=Strict`;
}

/** Kept by the browser while it is at the provider: sent along when the provider sends it back, and to no script. */
function stateCookie({ cookieName }: Context): string {
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

async function answerBegin(context: Context, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { identity, signIns } = context;
  if (identity === undefined || request.method !== "GET") throw notOffered("signing in by an identity provider");
  checkAskedByPerson(request, ["same-origin", "none"]);
  await orBackToSignIn(context, response, async () => {
    signIns.take("begun");
    const { url, state } = await identity.begin(`http://${request.headers.host}/oidc/callback`);
    response.setHeader("set-cookie", `${stateCookie(context)}=${state}; Path=/oidc; HttpOnly; SameSite=Lax`);
    redirect(response, url);
  });
}

async function answerCallback(context: Context, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { identity, sessions, cookieName, signIns } = context;
  if (identity === undefined || request.method !== "GET") throw notOffered("signing in by an identity provider");
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
  { onRefused }: Context,
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

function redirect(response: ServerResponse, location: string): void {
  response.writeHead(302, { location, "cache-control": "no-store", "content-security-policy": PAGE_POLICY });
  response.end();
}

async function facts(context: Context, session: Session | undefined): Promise<object> {
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

/** @throws ConsiliumError `file-not-found` for what is larger, or no JSON object */
async function readBody(request: IncomingMessage, atMost: number): Promise<Readonly<Record<string, unknown>>> {
  const pieces: Buffer[] = [];
  let length = 0;
  for await (const piece of request as AsyncIterable<Buffer>) {
    length += piece.length;
    if (length > atMost) throw notOffered("a request of that size");
    pieces.push(piece);
  }
  try {
    const value: unknown = JSON.parse(Buffer.concat(pieces).toString("utf8"));
    if (typeof value === "object" && value !== null) return value as Readonly<Record<string, unknown>>;
  } catch {
    // Told below in the same words.
  }
  throw notOffered("a request that is no JSON object");
}

async function answerDownload(
  context: Context,
  request: IncomingMessage,
  response: ServerResponse,
  name: string,
): Promise<void> {
  const session = context.sessions.find(cookieOf(context, request));
  if (session === undefined) throw signInRequired();
  context.calls.take(session.csrf);
  const known = Object.hasOwn(DOWNLOADS, name) && request.method === "GET";
  checkRole(session.role, known ? DOWNLOADS[name as DownloadName] : undefined, `download of ${name.slice(0, 40)}`);
  const bytes = Buffer.from(await context.download(name as DownloadName));
  const page = name === "report.html";
  const attachment = page ? {} : { "content-disposition": `attachment; filename="${name}"` };
  response.writeHead(200, {
    "content-type": page
      ? "text/html; charset=utf-8"
      : name.endsWith(".md")
        ? "text/plain; charset=utf-8"
        : "application/octet-stream",
    "content-security-policy": page ? REPORT_POLICY : PAGE_POLICY,
    "content-length": bytes.length,
    "cache-control": "no-store",
    ...attachment,
  });
  response.end(bytes);
}

async function answerVolume(
  context: Context,
  request: IncomingMessage,
  response: ServerResponse,
  asked: URLSearchParams,
): Promise<void> {
  await answerPatientsFile(context, request, response, async () => {
    const [caseId, part] = [asked.get("case"), asked.get("part")];
    if (context.volume === undefined || caseId === null || part === null) throw notOffered("a case's scan");
    return { type: "application/octet-stream", bytes: await context.volume(caseId, part) };
  });
}

async function answerSheet(
  context: Context,
  request: IncomingMessage,
  response: ServerResponse,
  asked: URLSearchParams,
): Promise<void> {
  await answerPatientsFile(context, request, response, async () => {
    const [intake, caseId, state] = [asked.get("intake"), asked.get("case"), asked.get("state")];
    if (context.sheet === undefined || intake === null || caseId === null || state === null) {
      throw notOffered("a contact sheet");
    }
    return { type: "image/png", bytes: await context.sheet(intake, caseId, state) };
  });
}

/** A patient's scan or picture: for this page alone, by both of the session's tokens, and kept by no cache. */
async function answerPatientsFile(
  context: Context,
  request: IncomingMessage,
  response: ServerResponse,
  read: () => Promise<{ readonly type: string; readonly bytes: Uint8Array }>,
): Promise<void> {
  const session = sessionOf(context, request);
  if (session === undefined) throw signInRequired();
  context.calls.take(session.csrf);
  checkRole(session.role, request.method === "GET" ? PATIENTS : undefined, "a case's scans");
  const { volumes } = context;
  if (volumes.size >= LIMITS.consoleVolumes) throw tooManyVolumes();
  volumes.add(response);
  try {
    const { type, bytes } = await read();
    const gzipped = bytes[0] === 0x1f && bytes[1] === 0x8b;
    response.writeHead(200, {
      "content-type": type,
      "content-length": bytes.length,
      "cache-control": "no-store",
      "content-security-policy": PAGE_POLICY,
      ...(gzipped && { "content-encoding": "gzip" }),
    });
    await sent(response, bytes);
  } finally {
    volumes.delete(response);
  }
}

/** Until it is with the browser, or the browser gone; one that takes nothing for a while is left. */
function sent(response: ServerResponse, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve) => {
    if (response.destroyed) return resolve();
    response.once("close", resolve);
    response.setTimeout(LIMITS.requestTimeoutMs, () => response.destroy());
    response.end(bytes);
  });
}

function answerStatic({ statics }: Context, request: IncomingMessage, response: ServerResponse, path: string): void {
  const file = statics.get(path);
  if (file === undefined || request.method !== "GET") throw notOffered(`${request.method} ${path.slice(0, 80)}`);
  const gzips = /\bgzip\b/.test(request.headers["accept-encoding"] ?? "");
  response.writeHead(200, {
    "content-type": file.type,
    "content-security-policy": PAGE_POLICY,
    "cache-control": file.immutable ? "public, max-age=31536000, immutable" : "no-cache",
    vary: "accept-encoding",
    ...(gzips && { "content-encoding": "gzip" }),
  });
  response.end(gzips ? file.gzipped : file.bytes);
}

const STATUS_BY_CODE: Readonly<Record<string, number>> = {
  "sign-in-required": 401,
  "role-refused": 403,
  "limit-exceeded": 429,
  "study-unknown": 404,
  "file-not-found": 404,
};

function refuse(response: ServerResponse, error: unknown): void {
  const record = errorRecord(error);
  if (response.headersSent) return void response.destroy();
  json(response, STATUS_BY_CODE[record.code] ?? 500, { error: record });
}

function json(response: ServerResponse, status: number, value: unknown): void {
  response.writeHead(status, {
    "content-type": "application/json",
    "content-security-policy": PAGE_POLICY,
    "cache-control": "no-store",
  });
  response.end(JSON.stringify(value));
}

function signInRequired(): ConsiliumError {
  return new ConsiliumError("sign-in-required", {
    subject: "session",
    expected: "somebody who is signed in",
    actual: "nobody, or a session that ended",
    hint: "Ask the command line for a link: `consilium coordinator dashboard`, or `consilium site console`.",
  });
}

function tooManyVolumes(): ConsiliumError {
  return new ConsiliumError("limit-exceeded", {
    subject: "scans for the viewer",
    expected: `at most ${LIMITS.consoleVolumes} at a time`,
    actual: "more",
    hint: "Close viewers that are not looked at, and open the case again.",
  });
}

function tooManyStreams(): ConsiliumError {
  return new ConsiliumError("limit-exceeded", {
    subject: "streams of the console",
    expected: `at most ${LIMITS.consoleStreams} at a time`,
    actual: "more",
    hint: "Close other pages of this dashboard.",
  });
}
