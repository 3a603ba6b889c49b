/**
 * One HTTP/2 connection to a coordinator, for one kind of traffic: opened when it is needed, kept while it answers,
 * opened anew after a break. A network may swallow a connection without a word, at any moment, the handshake included;
 * whoever waits on such a one must not wait for ever, nor whoever comes after.
 *
 * Invariants
 * - Opening takes at most `openWithinMs`, whatever was swallowed; it ends in a session or in an error.
 * - A connection that is given up fails what waits on it, and no later request is put on it.
 * - It keeps the process alive while a request is open, and no longer.
 */
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  type ClientSessionRequestOptions,
  connect,
  type OutgoingHttpHeaders,
} from "node:http2";
import { ConsiliumError, LIMITS } from "../base/index.ts";
import type { ClientTls, DialTls } from "./tls.ts";

export interface KeptSession {
  /** @throws ConsiliumError `unreachable`, or what the network says, where no connection is to be had */
  request(headers: OutgoingHttpHeaders, options?: ClientSessionRequestOptions): Promise<ClientHttp2Stream>;
  /** For a connection that is silent: its streams fail, and the next request opens another. */
  giveUp(): void;
}

export interface Pings {
  /** After so long without a byte. */
  readonly everyMs: number;
  /** Without an answer by then, the connection is given up. */
  readonly withinMs: number;
}

export interface SessionOptions {
  /** host:port of the coordinator */
  readonly address: string;
  readonly tls: ClientTls;
  readonly dial: DialTls;
  /** How much may be on its way here unread, of a stream and of all; HTTP/2's own 65,535 bytes unless given. */
  readonly windowBytes?: number;
  /** LIMITS.connectTimeoutMs unless given. */
  readonly openWithinMs?: number;
  /** How a connection that brings nothing is asked for a sign of life; not at all unless given, as where a slow upload stands before the question. */
  readonly pings?: Pings;
}

export function keptSession(options: SessionOptions): KeptSession {
  let line: Line | undefined;
  return {
    async request(headers, rest) {
      if (line === undefined || !line.isUsable()) line = openLine(options);
      return (await line.opened)(headers, rest);
    },
    giveUp() {
      line?.giveUp();
      line = undefined;
    },
  };
}

interface Line {
  /** How requests are made, once it stands. */
  readonly opened: Promise<ClientHttp2Session["request"]>;
  isUsable(): boolean;
  giveUp(): void;
}

function openLine(options: SessionOptions): Line {
  const { address, tls, dial, windowBytes, openWithinMs = LIMITS.connectTimeoutMs, pings } = options;
  const session = connect(`https://${address}`, {
    createConnection: () => dial({ ...tls, ALPNProtocols: ["h2"] }),
    settings: { enablePush: false, ...(windowBytes !== undefined && { initialWindowSize: windowBytes }) },
  });
  const opened = new Promise<ClientHttp2Session["request"]>((resolve, reject) => {
    const timer = setTimeout(() => session.destroy(silence(address, openWithinMs)), openWithinMs);
    let stopPings = (): void => undefined;
    session.once("connect", () => {
      clearTimeout(timer);
      // It is said of a session that was destroyed meanwhile as well.
      if (session.destroyed) return;
      if (windowBytes !== undefined) session.setLocalWindowSize(windowBytes);
      session.unref();
      if (pings !== undefined) stopPings = askForSignsOfLife(session, address, pings);
      resolve(holdingTheProcess(session));
    });
    // Also after the connection stands: a broken session fails its streams, and the next request opens another.
    session.on("error", reject);
    session.once("close", () => {
      clearTimeout(timer);
      stopPings();
      reject(unreachable(address, "a connection", "one that was closed"));
    });
  });
  // Who gives up before it stands may have nobody waiting.
  opened.catch(() => undefined);
  return { opened, isUsable: () => !session.closed && !session.destroyed, giveUp: () => session.destroy() };
}

/** Requests on a session that keeps the process alive while one of them is open. */
function holdingTheProcess(session: ClientHttp2Session): ClientHttp2Session["request"] {
  let open = 0;
  return (headers, options) => {
    const stream = session.request(headers, options);
    if (++open === 1) session.ref();
    stream.once("close", () => {
      if (--open === 0 && !session.destroyed) session.unref();
    });
    return stream;
  };
}

/** @returns stops asking */
function askForSignsOfLife(session: ClientHttp2Session, address: string, { everyMs, withinMs }: Pings): () => void {
  let heard = 0;
  let waiting: NodeJS.Timeout | undefined;
  const ask = (): void => {
    // One that is destroyed has no socket any more, and is closed only once the other end closes too.
    if (session.destroyed) return;
    const { bytesRead = 0 } = session.socket;
    const news = bytesRead !== heard;
    heard = bytesRead;
    if (news || waiting !== undefined) return;
    waiting = setTimeout(() => session.destroy(silence(address, withinMs)), withinMs).unref();
    session.ping(() => {
      clearTimeout(waiting);
      waiting = undefined;
    });
  };
  const asking = setInterval(ask, everyMs).unref();
  return () => {
    clearInterval(asking);
    clearTimeout(waiting);
  };
}

function silence(address: string, ms: number): ConsiliumError {
  return unreachable(address, `a connection that answers within ${ms / 1000} s`, "silence");
}

function unreachable(address: string, expected: string, actual: string): ConsiliumError {
  return new ConsiliumError("unreachable", {
    subject: `coordinator ${address}`,
    expected,
    actual,
    hint: "Check that the coordinator runs and that this machine may open a connection to that host and port.",
  });
}
