/**
 * A proxy as hospitals have them: it takes CONNECT, ends TLS under a certificate of its own authority, reads what passes
 * in plain, and opens a connection of its own to the coordinator. It keeps every byte that it saw, and does with requests
 * and answers what a test tells it to.
 */
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createHttpsServer, request as httpsRequest } from "node:https";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { systemClock } from "../../base/index.ts";
import { createAuthority, issueCoordinatorCertificate } from "../index.ts";

export interface Passed {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

export interface Came {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

export interface TlsEndingProxy {
  /** As HTTPS_PROXY names it. */
  readonly url: string;
  /** host:port that a network leads to it where a site dials the coordinator, and where it goes on to from there. */
  readonly address: string;
  upstream: string;
  /** What the site's operator is handed by the network's. */
  readonly caPem: string;
  readonly requests: Passed[];
  readonly answers: Came[];
  /** What becomes of requests on their way, and of answers; as they are unless set. */
  meddle: {
    request?: (passed: Passed) => Passed | Came | Promise<Came>;
    answer?: (came: Came, passed: Passed) => Came;
  };
  /** Everything that was readable here: lines, headers and bodies, both ways. */
  seen(): Buffer;
  /** Sends a request to the coordinator once more. */
  repeat(passed: Passed, address: string): Promise<Came>;
  close(): Promise<void>;
}

export async function tlsEndingProxy(): Promise<TlsEndingProxy> {
  const now = systemClock.nowMs();
  const authority = await createAuthority("Proxy of a hospital", now);
  const own = await issueCoordinatorCertificate(authority, ["127.0.0.1", "localhost"], now);
  const requests: Passed[] = [];
  const answers: Came[] = [];
  const sockets = new Set<Duplex>();

  const inner = createHttpsServer({ cert: own.certificatePem, key: own.keyPem }, (request, response) => {
    pass(request, response).catch(() => void response.writeHead(502).end());
  });
  inner.on("secureConnection", (socket) => socket.on("error", () => undefined));
  async function pass(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const passed: Passed = {
      method: request.method ?? "",
      path: request.url ?? "",
      headers: request.headers,
      body: await bodyOf(request),
    };
    requests.push(passed);
    const changed = (await proxy.meddle.request?.(passed)) ?? passed;
    const { host = "" } = request.headers;
    const to = host === proxy.address ? proxy.upstream : host;
    const came = "status" in changed ? changed : await repeat(changed, to);
    answers.push(came);
    const { status, headers, body } = proxy.meddle.answer?.(came, passed) ?? came;
    const { connection: _, "transfer-encoding": __, ...kept } = headers;
    response.writeHead(status, { ...kept, via: "1.1 proxy", "content-length": body.length }).end(body);
  }
  const outer = createServer((_, response) => void response.writeHead(405).end());
  outer.on("connection", (socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    socket.once("close", () => sockets.delete(socket));
  });
  outer.on("connect", (_request: IncomingMessage, socket: Duplex) => {
    socket.write("HTTP/1.1 200 Connection established\r\n\r\n");
    inner.emit("connection", socket);
  });
  inner.on("connection", (socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  for (const each of [outer, inner]) await new Promise<void>((resolve) => each.listen(0, "127.0.0.1", resolve));

  function repeat({ method, path, headers, body }: Passed, address: string): Promise<Came> {
    return new Promise((resolve, reject) => {
      const [host, port] = address.split(":");
      const { connection: _, ...kept } = headers;
      // The coordinator is believed whatever its certificate: a proxy that looks would be no harder to withstand.
      const options = { host, port, method, path, headers: kept, agent: false, rejectUnauthorized: false } as const;
      const out = httpsRequest(options, (response) => {
        const came = { status: response.statusCode ?? 0, headers: response.headers };
        bodyOf(response).then((read) => resolve({ ...came, body: read }), reject);
      });
      out.on("error", reject);
      out.end(body);
    });
  }
  const proxy: TlsEndingProxy = {
    url: `http://127.0.0.1:${(outer.address() as AddressInfo).port}`,
    address: `127.0.0.1:${(inner.address() as AddressInfo).port}`,
    upstream: "",
    caPem: authority.certificatePem,
    requests,
    answers,
    meddle: {},
    seen: () =>
      Buffer.concat([
        ...requests.flatMap(({ method, path, headers, body }) => [
          Buffer.from(`${method} ${path} ${JSON.stringify(headers)}`),
          body,
        ]),
        ...answers.flatMap(({ status, headers, body }) => [Buffer.from(`${status} ${JSON.stringify(headers)}`), body]),
      ]),
    repeat,
    close: () =>
      new Promise((resolve) => {
        inner.close();
        outer.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
  return proxy;
}

async function bodyOf(stream: IncomingMessage): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of stream as AsyncIterable<Buffer>) pieces.push(piece);
  return Buffer.concat(pieces);
}
