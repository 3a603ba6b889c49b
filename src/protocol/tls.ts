/** TLS at the sites' end: version 1.3 only, the federation's authority and no other, the site's own certificate. */
import { createHash } from "node:crypto";
import type { ConnectionOptions, TLSSocket } from "node:tls";
import { ConsiliumError, LIMITS, type Sha256 } from "../base/index.ts";
import { certificateToPem } from "./certificates.ts";
import { networkError, WHERE_TLS_ENDS } from "./refusal.ts";

export interface ClientTls {
  readonly ca: string;
  readonly cert?: string;
  readonly key?: string;
  readonly minVersion: "TLSv1.3";
}

export function clientTls(authorityPem: string, own?: { certificatePem: string; keyPem: string }): ClientTls {
  const base = { ca: authorityPem, minVersion: "TLSv1.3" } as const;
  return own === undefined ? base : { ...base, cert: own.certificatePem, key: own.keyPem };
}

/** host and port of "host:port" or "[v6]:port". */
export function splitAddress(address: string): { readonly host: string; readonly port: number } {
  const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(address);
  const port = Number(match?.[3]);
  if (match === null || port > 65_535) {
    throw new ConsiliumError("usage", {
      subject: `address ${address.slice(0, 100)}`,
      expected: "host:port, such as 127.0.0.1:7443 or [::1]:7443",
      actual: "something else",
      hint: "Give the host name or address and the port, with a colon between them.",
    });
  }
  return { host: match[1] ?? match[2] ?? "", port };
}

/** Opens a TLS connection to the coordinator, whatever the way. */
export type DialTls = (options: ConnectionOptions) => TLSSocket;

/**
 * Asks a server for its certificates, believing none, and returns the authority's if it is the one pinned. Nothing is
 * sent before: the connection that follows is verified in full against what is returned.
 * @throws ConsiliumError `certificate-untrusted`, `unreachable`
 */
export function fetchPinnedAuthority(address: string, fingerprint: Sha256, dial: DialTls): Promise<string> {
  return new Promise((resolve, reject) => {
    const fail = (error: unknown): void => reject(networkError(error, address));
    const socket = dial({ rejectUnauthorized: false, ALPNProtocols: ["h2"] });
    socket.setTimeout(LIMITS.requestTimeoutMs, () => socket.destroy(new Error("no answer before the time limit")));
    socket.once("error", fail);
    socket.once("close", () => fail(new Error("the connection was closed")));
    socket.once("secureConnect", () => {
      const chain = chainOf(socket.getPeerCertificate(true));
      const authority = chain.find((der) => createHash("sha256").update(der).digest("hex") === fingerprint);
      socket.end();
      if (authority !== undefined) resolve(certificateToPem(authority));
      else fail(foreign(address));
    });
  });
}

function chainOf(certificate: { raw?: Buffer; issuerCertificate?: unknown }): Uint8Array[] {
  const chain: Uint8Array[] = [];
  const seen = new Set<string>();
  for (let next = certificate; next?.raw !== undefined; next = next.issuerCertificate as typeof next) {
    const key = next.raw.toString("base64");
    if (seen.has(key)) break;
    seen.add(key);
    chain.push(next.raw);
  }
  return chain;
}

function foreign(address: string): ConsiliumError {
  return new ConsiliumError("certificate-untrusted", {
    subject: `coordinator ${address}`,
    expected: "the authority whose fingerprint the invitation names",
    actual: "another",
    hint: `Check that the invitation is of this federation. ${WHERE_TLS_ENDS}`,
  });
}
