/**
 * A way through an HTTP proxy: CONNECT (RFC 9110, 9.3.6) over HTTP/1.1, then whatever is written passes through
 * unread. Given as a stream at once, so that it fits wherever a socket is made: what is written before the tunnel
 * stands waits.
 *
 * Invariants: the proxy learns the coordinator's host and port and nothing else; a proxy that refuses is told in words;
 * no answer longer than HEAD_BYTES is read, and none is waited for longer than LIMITS.requestTimeoutMs.
 */
import { connect as connectTcp, isIP, type Socket } from "node:net";
import { Duplex } from "node:stream";
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from "node:tls";
import { ConsiliumError, LIMITS } from "../base/index.ts";
import { type Environment, type HttpProxy, proxyFor } from "./proxy.ts";
import { networkError } from "./refusal.ts";
import { splitAddress } from "./tls.ts";

const HEAD_BYTES = 16_384;

/**
 * A TLS connection to the coordinator, straight or through the proxy of the environment.
 * @param address host:port
 */
export function dialTls(address: string, options: ConnectionOptions, environment: Environment): TLSSocket {
  const { host, port } = splitAddress(address);
  const servername = isIP(host) ? {} : { servername: host };
  const proxy = proxyFor(address, environment);
  const through = proxy === undefined ? { port } : { socket: openTunnel(proxy, address) };
  return connectTls({ ...options, host, ...servername, ...through });
}

/** @param address host:port behind the proxy. The stream fails with a ConsiliumError where the proxy does not let through. */
export function openTunnel(proxy: HttpProxy, address: string): Duplex {
  const { host, port } = proxy;
  const socket: Socket = proxy.tls
    ? connectTls({ host, port, ...(isIP(host) ? {} : { servername: host }) })
    : connectTcp({ host, port });
  let head = Buffer.alloc(0);
  let open = false;
  let waiting: (() => void) | undefined;
  const tunnel = new Duplex({
    read: () => void socket.resume(),
    write(piece: Buffer, _encoding, done) {
      const pass = (): void => void socket.write(piece, done);
      if (open) pass();
      else waiting = pass;
    },
    final: (done) => void socket.end(done),
    destroy(error, done) {
      socket.destroy();
      done(error);
    },
  });
  const fail = (error: unknown): void => void tunnel.destroy(error as Error);
  const pass = (piece: Buffer): void => {
    if (!tunnel.push(piece)) socket.pause();
  };
  const answer = (piece: Buffer): void => {
    head = Buffer.concat([head, piece]);
    const end = head.indexOf("\r\n\r\n");
    if (end < 0 && head.length <= HEAD_BYTES) return;
    const refusal = refusalOf(proxy, address, end < 0 ? "" : head.subarray(0, end).toString("latin1"));
    if (refusal !== undefined) {
      fail(refusal);
      return;
    }
    socket.setTimeout(0);
    socket.off("data", answer);
    socket.on("data", pass);
    open = true;
    if (head.length > end + 4) pass(head.subarray(end + 4));
    waiting?.();
  };
  socket.setTimeout(LIMITS.requestTimeoutMs, () => fail(unreachable(proxy, "no answer before the time limit")));
  socket.once(proxy.tls ? "secureConnect" : "connect", () => socket.write(requestFor(proxy, address)));
  socket.on("data", answer);
  socket.on("end", () => (open ? void tunnel.push(null) : fail(unreachable(proxy, "a closed connection"))));
  socket.on("close", () => fail(open ? undefined : unreachable(proxy, "a closed connection")));
  socket.on("error", (cause) => fail(open ? cause : unreachable(proxy, networkError(cause, address).actual, cause)));
  return tunnel;
}

function requestFor({ authorization }: HttpProxy, address: string): string {
  const lines = [`CONNECT ${address} HTTP/1.1`, `Host: ${address}`];
  if (authorization !== undefined) lines.push(`Proxy-Authorization: ${authorization}`);
  return `${lines.join("\r\n")}\r\n\r\n`;
}

function refusalOf(proxy: HttpProxy, address: string, head: string): ConsiliumError | undefined {
  const status = Number(/^HTTP\/1\.[01] (\d{3})\b/.exec(head)?.[1]);
  if (status >= 200 && status < 300) return undefined;
  if (status === 407) {
    const scheme = /^proxy-authenticate:\s*(\S+)/im.exec(head)?.[1] ?? "a scheme that it does not name";
    return new ConsiliumError("proxy-authentication", {
      subject: `proxy ${proxy.name}`,
      expected: "that it takes this site's user and password",
      actual: `407, asking for ${scheme.slice(0, 40)} authentication${proxy.authorization === undefined ? "; none was given" : ""}`,
      hint: "Set HTTPS_PROXY=http://user:password@host:port; only Basic is spoken. Ask your network's operator.",
    });
  }
  if (status === 403 || status === 405) {
    return new ConsiliumError("proxy-refused", {
      subject: `proxy ${proxy.name}`,
      expected: `a way through to ${address}`,
      actual: `${status}`,
      hint: "Ask your network's operator to allow CONNECT to that host and port, or set NO_PROXY where no proxy is needed.",
    });
  }
  return unreachable(proxy, Number.isNaN(status) ? "something that is no HTTP proxy" : `status ${status}`);
}

function unreachable({ name }: HttpProxy, actual: string, cause?: unknown): ConsiliumError {
  return new ConsiliumError("unreachable", {
    subject: `proxy ${name}`,
    expected: "a way through to the coordinator",
    actual,
    hint: "Check HTTPS_PROXY, and that the proxy runs and reaches the coordinator; NO_PROXY excepts hosts from it.",
    cause,
  });
}
