/**
 * The way from a site to its coordinator, looked at stage by stage, each with what it took: name, route, TLS, the clock
 * at the other end, membership, and how much a second passes. What `site doctor` asks; no message of the federation.
 */
import { lookup } from "node:dns/promises";
import { connect, isIP } from "node:net";
import type { TLSSocket } from "node:tls";
import { ConsiliumError, LIMITS } from "../base/index.ts";
import { type CertificateFacts, certificateFingerprint, readCertificate } from "./certificates.ts";
import { type Http2Channel, http2Channel } from "./http2-channel.ts";
import { type Environment, type HttpProxy, proxyFor } from "./proxy.ts";
import { networkError } from "./refusal.ts";
import { type ClientTls, clientTls, type DialTls, fetchPinnedAuthority, splitAddress } from "./tls.ts";
import { dialTls } from "./tunnel.ts";

export interface ProbeOptions {
  /** host:port of the coordinator. */
  readonly address: string;
  /** The authority: its certificate where the site has joined, its fingerprint from an invitation before. */
  readonly believed: { readonly authorityPem: string } | { readonly fingerprint: string };
  readonly own?: { readonly certificatePem: string; readonly keyPem: string } | undefined;
  readonly environment: Environment;
}

export interface Transfer {
  readonly bytes: number;
  readonly seconds: number;
}

export interface ShownCertificate {
  readonly expiresMs: number;
  /** Of the authority that issued it. */
  readonly authoritySha256: string;
}

export interface CoordinatorProbe {
  /** The proxy that stands between, host:port. @throws ConsiliumError `usage` */
  proxy(): string | undefined;
  /** Addresses of the host that is dialled: the proxy's where there is one. @throws ConsiliumError `unreachable` */
  name(): Promise<{ readonly host: string; readonly addresses: readonly string[] }>;
  /** Milliseconds to open a TCP connection to it. @throws ConsiliumError `unreachable` */
  route(): Promise<number>;
  /**
   * Where TLS ends: at the coordinator, or, with `sealing`, at a proxy.
   * @throws ConsiliumError `certificate-untrusted`, `certificate-expired`, `proxy-authentication`, `proxy-refused`
   */
  tls(): Promise<ShownCertificate & { readonly protocol: string }>;
  /**
   * On a line of sealed calls: whose key it is that they are sealed to. Absent where TLS is mutual.
   * @throws ConsiliumError `sealing-refused`, `certificate-untrusted`, `unreachable`
   */
  readonly sealing?: () => Promise<ShownCertificate>;
  /** The coordinator's clock less this machine's, to a second. */
  clockOffsetMs(): Promise<number>;
  /** That the coordinator knows this site's key. @throws ConsiliumError `site-revoked`, `site-unknown`, `certificate-expired` */
  membership(): Promise<void>;
  /** Moves zeros for about so long, and at most LIMITS.probeBytes. */
  measure(direction: "down" | "up", seconds: number): Promise<Transfer>;
  close(): void;
}

export function probeCoordinator(options: ProbeOptions): CoordinatorProbe {
  const { address, believed, own, environment } = options;
  const dial: DialTls = (tls) => dialTls(address, tls, environment);
  let channel: Http2Channel | undefined;
  async function tlsOptions(): Promise<ClientTls> {
    const pem =
      "authorityPem" in believed
        ? believed.authorityPem
        : await fetchPinnedAuthority(address, believed.fingerprint, dial);
    return clientTls(pem, own);
  }
  async function line(): Promise<Http2Channel> {
    channel ??= http2Channel(address, await tlsOptions(), dial);
    return channel;
  }
  return {
    ...wayTo(address, environment),
    async tls() {
      const { facts, issuer, protocol } = await handshake(
        dial({ ...(await tlsOptions()), ALPNProtocols: ["h2"] }),
        address,
      );
      return { protocol, expiresMs: facts.notAfterMs, authoritySha256: issuer };
    },
    async clockOffsetMs() {
      const before = Date.now();
      const { dateMs } = await (await line()).probe("down", 1);
      const after = Date.now();
      // Date has whole seconds: half a second on the mean.
      return dateMs + 500 - (before + after) / 2;
    },
    async membership() {
      try {
        await (await line()).read({ sha256: "0".repeat(64), offset: 0, bytes: 1 });
      } catch (error) {
        if (error instanceof ConsiliumError && ["object-refused", "object-missing"].includes(error.code)) return;
        throw error;
      }
    },
    async measure(direction, seconds) {
      const through = await line();
      return transferOf(seconds, async () => void (await through.probe(direction, LIMITS.chunkBytes)));
    },
    close: () => channel?.close(),
  };
}

/** What is looked at before anything is said: proxy, name and route. */
export function wayTo(address: string, environment: Environment): Pick<CoordinatorProbe, "proxy" | "name" | "route"> {
  const dialled = (): { host: string; port: number } => proxyFor(address, environment) ?? splitAddress(address);
  return {
    proxy: () => proxyFor(address, environment)?.name,
    async name() {
      const { host } = dialled();
      if (isIP(host)) return { host, addresses: [host] };
      try {
        return { host, addresses: (await lookup(host, { all: true })).map((each) => each.address) };
      } catch (error) {
        throw networkError(error, address);
      }
    },
    route: () => timeToConnect(dialled(), proxyFor(address, environment), address),
  };
}

/** @param move moves one piece of LIMITS.chunkBytes */
export async function transferOf(seconds: number, move: () => Promise<void>): Promise<Transfer> {
  const start = performance.now();
  let bytes = 0;
  while (bytes < LIMITS.probeBytes && performance.now() - start < seconds * 1000) {
    await move();
    bytes += LIMITS.chunkBytes;
  }
  return { bytes, seconds: (performance.now() - start) / 1000 };
}

function timeToConnect(
  to: { readonly host: string; readonly port: number },
  proxy: HttpProxy | undefined,
  address: string,
): Promise<number> {
  return new Promise((resolve, reject) => {
    const start = performance.now();
    const socket = connect({ host: to.host, port: to.port });
    const fail = (error: unknown): void => {
      const told = networkError(error, address).toJSON();
      const subject = proxy === undefined ? told.subject : `proxy ${proxy.name}`;
      reject(new ConsiliumError("unreachable", { ...told, subject }));
      socket.destroy();
    };
    socket.setTimeout(LIMITS.probeTimeoutMs, () => fail(new Error("no answer before the time limit")));
    socket.once("error", fail);
    socket.once("connect", () => {
      socket.destroy();
      resolve(performance.now() - start);
    });
  });
}

interface Handshake {
  readonly facts: CertificateFacts;
  readonly issuer: string;
  readonly protocol: string;
}

export function handshake(socket: TLSSocket, address: string): Promise<Handshake> {
  return new Promise((resolve, reject) => {
    const fail = (error: unknown): void => reject(networkError(error, address));
    socket.setTimeout(LIMITS.probeTimeoutMs, () => socket.destroy(new Error("no answer before the time limit")));
    socket.once("error", fail);
    socket.once("close", () => fail(new Error("the connection was closed")));
    socket.once("secureConnect", () => {
      try {
        resolve(shown(socket));
      } catch (error) {
        fail(error);
      }
      socket.destroy();
    });
  });
}

function shown(socket: TLSSocket): Handshake {
  const { raw, issuerCertificate } = socket.getPeerCertificate(true);
  const facts = readCertificate(new Uint8Array(raw));
  return { facts, issuer: certificateFingerprint(issuerCertificate.raw), protocol: socket.getProtocol() ?? "" };
}
