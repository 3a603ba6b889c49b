/**
 * How fast a large object moves between a site and its coordinator, file to file, and what memory that takes.
 *
 *   npx tsx bench/transfer.ts [--bytes 536870912] [--runs 3] [--dir DIR] [--json]
 *
 * Ours: `connectLink` to `startFederationServer` over mutual TLS, the coordinator's own object store behind it, pieces
 * of 4 MiB, SHA-256 at both ends, synced to disk at the end. Beside it in the same run, alternately: node:https, one
 * request, a file piped into the connection and out of it into a file, with SHA-256 over it at the receiving end (it
 * can neither resume nor refuse). Servers and clients are processes of their own; peak memory is each process's.
 * Both use TLS 1.3 with certificates on both sides. Files are read warm, from the page cache.
 */
import { type ChildProcess, fork } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { mkdir, mkdtemp, open, rm, stat } from "node:fs/promises";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer, request } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { parseArgs } from "node:util";
import { systemClock } from "../src/base/index.ts";
import { openObjectStore } from "../src/coordinator/object-store.ts";
import { createSigningRequest } from "../src/protocol/certificates.ts";
import {
  connectLink,
  createAuthority,
  createSiteKey,
  type FederationService,
  issueCoordinatorCertificate,
  issueSiteCertificate,
  startFederationServer,
} from "../src/protocol/index.ts";

const SITE = "upenn";
const { values } = parseArgs({
  options: {
    bytes: { type: "string", default: String(512 << 20) },
    runs: { type: "string", default: "3" },
    dir: { type: "string" },
    json: { type: "boolean", default: false },
    role: { type: "string" },
    task: { type: "string" },
  },
});

interface Task {
  readonly folder: string;
  readonly sha256: string;
  readonly bytes: number;
  readonly authorityPem: string;
  readonly server: { readonly certificatePem: string; readonly keyPem: string };
  readonly site: { readonly certificatePem: string; readonly keyPem: string };
  /** host:port, for clients. */
  readonly address: string;
  readonly run: number;
}

interface Figures {
  readonly seconds: number;
  readonly peakRssBytes: number;
}

if (values.role !== undefined) await play(values.role, JSON.parse(values.task ?? "{}") as Task);
else await measure();

async function measure(): Promise<void> {
  const folder = await mkdtemp(join(values.dir ?? tmpdir(), "consilium-transfer-"));
  try {
    const bytes = Number(values.bytes);
    const sha256 = await writeObject(folder, bytes);
    const task = { folder, sha256, bytes, address: "", run: 0, ...(await identities()) };
    const rates: Record<string, number[]> = { down: [], "https down": [], up: [], "https up": [] };
    const peaks: Record<string, number> = {};
    for (let run = 0; run < Number(values.runs); run++) {
      for (const [server, clients] of [
        ["serve", ["down", "up"]],
        ["https serve", ["https down", "https up"]],
      ] as const) {
        const serving = start(server, { ...task, run });
        const { address } = (await answerOf(serving)) as { address: string };
        for (const client of clients) {
          const { seconds, peakRssBytes } = (await answerOf(start(client, { ...task, run, address }))) as Figures;
          rates[client].push(bytes / seconds);
          peaks[client] = Math.max(peaks[client] ?? 0, peakRssBytes);
        }
        serving.send("end");
        const { peakRssBytes } = (await answerOf(serving)) as Figures;
        peaks[server] = Math.max(peaks[server] ?? 0, peakRssBytes);
      }
    }
    tell(bytes, rates, peaks);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function tell(bytes: number, rates: Record<string, number[]>, peaks: Record<string, number>): void {
  const medians = Object.fromEntries(Object.entries(rates).map(([name, each]) => [name, median(each)]));
  const ratios = { down: medians.down / medians["https down"], up: medians.up / medians["https up"] };
  const report = { bytes, runs: Number(values.runs), bytesPerSecond: medians, ratios, peakRssBytes: peaks };
  if (values.json) {
    process.stdout.write(`${JSON.stringify(report)}\n`);
    return;
  }
  const mega = (value: number): string => (value / 1e6).toFixed(0).padStart(6);
  for (const way of ["down", "up"] as const) {
    process.stdout.write(
      `${way.padEnd(5)}${mega(medians[way])} MB/s, node:https${mega(medians[`https ${way}`])} MB/s: ${(100 * ratios[way]).toFixed(0)} %\n`,
    );
  }
  process.stdout.write(
    `${mega(bytes)} MB moved; peak memory in MB: coordinator${mega(peaks.serve)}, site down${mega(peaks.down)}, site up${mega(peaks.up)}; ` +
      `node:https server${mega(peaks["https serve"])}, down${mega(peaks["https down"])}, up${mega(peaks["https up"])}\n`,
  );
}

function median(figures: readonly number[]): number {
  return [...figures].sort((a, b) => a - b)[figures.length >> 1];
}

async function identities(): Promise<Pick<Task, "authorityPem" | "server" | "site">> {
  const nowMs = Date.now();
  const authority = await createAuthority("Bench", nowMs);
  const keyPem = createSiteKey();
  const csrDer = await createSigningRequest(SITE, keyPem);
  return {
    authorityPem: authority.certificatePem,
    server: await issueCoordinatorCertificate(authority, ["127.0.0.1"], nowMs),
    site: { keyPem, certificatePem: await issueSiteCertificate(authority, { siteId: SITE, csrDer }, nowMs) },
  };
}

/** An object of the store, and the same file beside it under the name `object`. */
async function writeObject(folder: string, bytes: number): Promise<string> {
  const hash = createHash("sha256");
  const file = await open(join(folder, "object"), "w");
  const piece = randomBytes(1 << 22);
  for (let offset = 0; offset < bytes; offset += piece.length) {
    piece.writeUInt32LE(offset / piece.length, 0);
    const part = piece.subarray(0, Math.min(piece.length, bytes - offset));
    hash.update(part);
    await file.write(part);
  }
  await file.close();
  return hash.digest("hex");
}

function start(role: string, task: Task): ChildProcess {
  return fork(new URL(import.meta.url), ["--role", role, "--task", JSON.stringify(task)]);
}

function answerOf(child: ChildProcess): Promise<unknown> {
  return new Promise((resolve, reject) => {
    child.once("message", resolve);
    child.once("exit", (code) => reject(new Error(`a process ended with ${code} and no figures`)));
  });
}

async function play(role: string, task: Task): Promise<void> {
  if (role === "serve" || role === "https serve") {
    const address = role === "serve" ? await serve(task) : await serveHttps(task);
    process.send?.({ address });
    process.once("message", () => finish(0));
    return;
  }
  const begin = performance.now();
  const clients = { down: fetchOurs, up: sendOurs, "https down": fetchHttps, "https up": sendHttps };
  await clients[role as keyof typeof clients](task);
  finish((performance.now() - begin) / 1000);
}

function finish(seconds: number): void {
  const figures: Figures = { seconds, peakRssBytes: process.resourceUsage().maxRSS * 1024 };
  process.send?.(figures, () => process.exit(0));
}

async function serve({ folder, server, authorityPem, run }: Task): Promise<string> {
  const store = await openObjectStore(join(folder, `store-${run}`));
  const source = await open(join(folder, "object"));
  const service: Partial<FederationService> = {
    async readObject(_peer, { offset, bytes }) {
      const piece = new Uint8Array(bytes);
      const { bytesRead } = await source.read(piece, 0, bytes, offset);
      return piece.subarray(0, bytesRead);
    },
    heldBytes: ({ siteId }, { sha256, totalBytes }) => store.heldBytes(siteId, sha256, totalBytes),
    writeObject: ({ siteId }, chunk) => store.addPiece({ siteId, ...chunk }),
  };
  const options = { listen: "127.0.0.1:0", ...server, authorityPem, clock: systemClock };
  return (await startFederationServer({ service: service as FederationService, ...options })).address;
}

async function fetchOurs({ folder, sha256, bytes, address, authorityPem, site, run }: Task): Promise<void> {
  const link = connectLink({ address, authorityPem, ...site });
  await link.fetchObject({ sha256, bytes, toFile: join(folder, `fetched-${run}`) });
  await link.close();
  await rm(join(folder, `fetched-${run}`));
}

async function sendOurs({ folder, sha256, address, authorityPem, site }: Task): Promise<void> {
  const link = connectLink({ address, authorityPem, ...site });
  await link.sendObject({ sha256, fromFile: join(folder, "object") });
  await link.close();
}

function tls({ authorityPem, site }: Task) {
  return { ca: authorityPem, cert: site.certificatePem, key: site.keyPem, minVersion: "TLSv1.3" } as const;
}

async function serveHttps({ folder, sha256, bytes, server, authorityPem }: Task): Promise<string> {
  const credentials = { cert: server.certificatePem, key: server.keyPem, ca: authorityPem };
  const answer = async (incoming: IncomingMessage, response: ServerResponse): Promise<void> => {
    if (incoming.method === "GET") {
      response.writeHead(200, { "content-length": bytes });
      await pipeline(createReadStream(join(folder, "object"), { highWaterMark: 1 << 20 }), response);
      return;
    }
    await pipeToFile(incoming, join(folder, "received"), sha256);
    response.writeHead(200).end();
  };
  const serving = createServer(
    { ...credentials, requestCert: true, rejectUnauthorized: true, minVersion: "TLSv1.3" },
    (incoming, response) => void answer(incoming, response).catch(() => response.destroy()),
  );
  await new Promise<void>((resolve) => serving.listen(0, "127.0.0.1", resolve));
  return `127.0.0.1:${(serving.address() as AddressInfo).port}`;
}

async function fetchHttps(task: Task): Promise<void> {
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    request(`https://${task.address}/object`, tls(task), resolve).on("error", reject).end();
  });
  const path = join(task.folder, "https-fetched");
  await pipeToFile(response, path, task.sha256);
  await rm(path);
}

async function sendHttps(task: Task): Promise<void> {
  const path = join(task.folder, "object");
  const { size } = await stat(path);
  await new Promise<void>((resolve, reject) => {
    const options = { ...tls(task), method: "PUT", headers: { "content-length": size } };
    const call = request(`https://${task.address}/object`, options, (response) => {
      response.resume();
      response.on("end", () => resolve());
    });
    call.on("error", reject);
    pipeline(createReadStream(path, { highWaterMark: 1 << 20 }), call).catch(reject);
  });
}

async function pipeToFile(from: NodeJS.ReadableStream, path: string, sha256: string): Promise<void> {
  await mkdir(join(path, ".."), { recursive: true });
  const hash = createHash("sha256");
  const hashing = new Transform({
    transform(piece, _encoding, done) {
      hash.update(piece as Buffer);
      done(null, piece);
    },
  });
  await pipeline(from, hashing, createWriteStream(path, { flush: true }));
  if (hash.digest("hex") !== sha256) throw new Error("another object arrived");
}
