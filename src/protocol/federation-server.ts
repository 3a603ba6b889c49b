/**
 * The coordinator's one port: HTTP/2 over TLS 1.3, messages by Connect and objects by plain GET, HEAD and PUT.
 *
 * Invariants: only `Enrol` is answered without a client certificate; for everything else the caller is whom the
 * federation's authority certified, and the service is told who that is, and whether the certificate ran out. A caller without one gets the reason in words
 * (so a certificate is asked for, and judged here, not by the TLS library, whose refusal is a bare alert). One caller's
 * error is one answer: nothing that a client sends ends the process, and what one caller may take is bounded
 * (`server-guards.ts`).
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { constants, createSecureServer, type Http2Session, type ServerHttp2Session } from "node:http2";
import type { AddressInfo } from "node:net";
import type { TLSSocket } from "node:tls";
import { createContextKey, createContextValues, type HandlerContext } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { type Clock, ConsiliumError, createBufferPool, LIMITS } from "../base/index.ts";
import { type Credentials, verifyIssued } from "./certificates.ts";
import { COORDINATOR_NAME } from "./names.ts";
import { answerObjectRequest } from "./object-routes.ts";
import { answerProbe, PROBE_PATH } from "./probe-route.ts";
import { federationRoutes } from "./routes.ts";
import { createSealedPort } from "./sealed/sealed-port.ts";
import { createServerGuards, type ServerLimits, USUAL_SERVER_LIMITS } from "./server-guards.ts";
import type { FederationService, Peer } from "./service.ts";
import { splitAddress } from "./tls.ts";
import { TOO_MANY_REQUESTS, UPLOAD_WINDOW_BYTES, WINDOW_BYTES } from "./wire.ts";

const HANDSHAKE_TIMEOUT_MS = 20_000;
const IDLE_SESSION_MS = 10 * 60_000;
const CLOSE_GRACE_MS = 2_000;

export interface FederationServerOptions {
  readonly service: FederationService;
  /** host:port to listen on; port 0 takes a free one. */
  readonly listen: string;
  readonly certificatePem: string;
  readonly keyPem: string;
  /** Of the coordinator's certificate; shown beside it. */
  readonly authorityPem: string;
  /** Authorities whose certificates are believed of callers, asked at each connection; `authorityPem` unless given. */
  readonly believed?: () => string;
  readonly clock: Clock;
  /** Whether sites behind a proxy that ends TLS may come in by sealed calls; they may not unless given. */
  readonly allowSealed?: boolean | undefined;
  readonly limits?: Partial<ServerLimits>;
}

export interface FederationServer {
  /** host:port that is listened on. */
  readonly address: string;
  /** Shows another certificate from now on; connections that stand are ended once their answers are out. */
  show(credentials: Credentials, authorityPem: string): void;
  /** Stops listening, lets running answers end, then closes what is left. */
  close(): Promise<void>;
}

/** @throws ConsiliumError `usage` where the address cannot be listened on. */
export async function startFederationServer(options: FederationServerOptions): Promise<FederationServer> {
  const { service, clock, believed = () => options.authorityPem } = options;
  const server = createSecureServer({
    ...shownTo(options, options.authorityPem),
    requestCert: true,
    rejectUnauthorized: false,
    // For sealed calls alone, and for telling that they are not taken.
    allowHTTP1: true,
    handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
    settings: { initialWindowSize: UPLOAD_WINDOW_BYTES, maxConcurrentStreams: 16, enablePush: false },
  });
  const limits = { ...USUAL_SERVER_LIMITS, ...options.limits };
  const guards = createServerGuards(limits, clock);
  server.maxConnections = limits.connections;
  server.on("connection", guards.onConnection);
  const sessions = new Set<ServerHttp2Session>();
  const callers = new WeakMap<Http2Session, Caller>();
  const peerOf = (session: Http2Session | undefined): Peer => peerIn(session && callers.get(session), clock.nowMs());

  server.on("session", (session) => {
    sessions.add(session);
    const caller = judgeCaller(session, believed());
    callers.set(session, caller);
    guards.onSession(session, "peer" in caller ? caller.peer.keySha256 : undefined);
    session.setLocalWindowSize(WINDOW_BYTES);
    session.setTimeout(IDLE_SESSION_MS, () => session.close());
    session.on("error", () => undefined);
    session.on("close", () => sessions.delete(session));
  });
  const sealed = createSealedPort({
    service,
    credentials: options,
    authorityPem: options.authorityPem,
    believed,
    clock,
    guards,
    callMs: limits.callMs,
    allowSealed: options.allowSealed === true,
  });
  server.on("secureConnection", (socket) => {
    if (socket.alpnProtocol !== "h2") sealed.onSocket(socket);
  });
  // What strangers do on an open port (scanners, plain HTTP, broken handshakes) concerns nobody else.
  server.on("sessionError", () => undefined);
  server.on("tlsClientError", () => undefined);

  const parts = createBufferPool(LIMITS.chunkPartBytes, LIMITS.partBuffersKept);
  const callerKey = createContextKey<Http2Session | undefined>(undefined);
  const rpc = connectNodeAdapter({
    routes: federationRoutes(service, (context: HandlerContext) => peerOf(context.values.get(callerKey))),
    contextValues: (request) =>
      createContextValues().set(callerKey, "stream" in request ? request.stream.session : undefined),
    readMaxBytes: LIMITS.messageBytes,
    acceptCompression: [],
    grpc: false,
    grpcWeb: false,
  });
  /** The name under which the caller reached this port decides nothing, and Connect would throw for one that is none. */
  const answerRpc: typeof rpc = (request, response) => {
    request.headers[":authority"] = COORDINATOR_NAME;
    try {
      rpc(request, response);
    } catch {
      response.destroy();
    }
  };
  server.on("request", (request, response) => {
    if (request.httpVersionMajor < 2) {
      sealed.answer(request as unknown as IncomingMessage, response as unknown as ServerResponse);
      return;
    }
    request.setTimeout(LIMITS.requestTimeoutMs, () => request.stream.close(constants.NGHTTP2_CANCEL));
    const tooLong = setTimeout(() => request.stream.close(constants.NGHTTP2_CANCEL), limits.callMs).unref();
    request.stream.once("close", () => clearTimeout(tooLong));
    if (!guards.mayCall(request.stream.session)) {
      response.writeHead(TOO_MANY_REQUESTS).end();
      return;
    }
    const peer = (): Peer => peerOf(request.stream.session);
    const broken = (): void => void response.stream.destroy();
    if (request.url === PROBE_PATH) answerProbe(peer, parts, request, response).catch(broken);
    else if (!request.url.startsWith("/objects/")) answerRpc(request, response);
    else answerObjectRequest(service, peer, parts, request, response).catch(broken);
  });

  const { host, port } = splitAddress(options.listen);
  await new Promise<void>((resolve, reject) => {
    server.once("error", (cause) => reject(cannotListen(options.listen, cause)));
    server.listen(port, host, resolve);
  });
  const bound = (server.address() as AddressInfo).port;
  return {
    address: host.includes(":") ? `[${host}]:${bound}` : `${host}:${bound}`,
    show(credentials, authorityPem) {
      server.setSecureContext(shownTo(credentials, authorityPem));
      sealed.show(credentials, authorityPem);
      for (const session of sessions) session.close();
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const session of sessions) session.close();
        sealed.close();
        setTimeout(() => {
          for (const session of sessions) session.destroy();
          sealed.destroy();
        }, CLOSE_GRACE_MS).unref();
      }),
  };
}

function shownTo({ certificatePem, keyPem }: Credentials, authorityPem: string) {
  const cert = `${certificatePem}\n${authorityPem}`;
  return { cert, key: keyPem, ca: authorityPem, minVersion: "TLSv1.3" } as const;
}

/** Who holds a session's other end, or why nobody is believed to. */
type Caller = { readonly peer: Peer; readonly notAfterMs: number } | { readonly refusal: unknown };

/**
 * Judged when the session begins, before anything is read from it: OpenSSL leaves its own verdict on a certificate by
 * an authority of the same name but another key in its error queue, where node takes it for a failure of the socket;
 * node's verification here empties the queue, so that the caller gets the reason and not a reset.
 */
function judgeCaller(session: ServerHttp2Session, authorityPem: string): Caller {
  const certificate = (session.socket as TLSSocket).getPeerX509Certificate();
  if (certificate === undefined) return { refusal: noCertificate() };
  try {
    const facts = verifyIssued(new Uint8Array(certificate.raw), authorityPem);
    return { peer: { siteId: facts.name, keySha256: facts.keySha256 }, notAfterMs: facts.notAfterMs };
  } catch (refusal) {
    return { refusal };
  }
}

/** @throws ConsiliumError `certificate-untrusted` */
function peerIn(caller: Caller | undefined, nowMs: number): Peer {
  if (caller === undefined) throw noCertificate();
  if ("refusal" in caller) throw caller.refusal;
  return nowMs <= caller.notAfterMs ? caller.peer : { ...caller.peer, expiredMs: caller.notAfterMs };
}

function noCertificate(): ConsiliumError {
  return new ConsiliumError("certificate-untrusted", {
    subject: "caller",
    expected: "a certificate of this federation",
    actual: "none",
    hint: "Join the federation first, with an invitation: `consilium site join`.",
  });
}

function cannotListen(address: string, cause: unknown): ConsiliumError {
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : String(cause);
  return new ConsiliumError("usage", {
    subject: `address ${address}`,
    expected: "a free port that this user may listen on",
    actual: code,
    hint:
      code === "EADDRINUSE"
        ? "Another program listens there: stop it, or choose another port."
        : "Choose an address of this machine and a port above 1023.",
    cause,
  });
}
