/**
 * Which line a site speaks over: mutual TLS, or, by its own choice, sealed calls through a proxy that ends TLS. The choice
 * stands in `federation.json`, the proxy's certificates beside the site's own in `identity/proxy-ca.pem`.
 */
import { readFile, rm } from "node:fs/promises";
import { basename } from "node:path";
import { ConsiliumError } from "../base/index.ts";
import { certificatesIn, readCertificate } from "../protocol/index.ts";
import { openFileStore, writeFileDurably } from "./file-store.ts";
import { FEDERATION_DOCUMENT, identityPath, type Membership, readSite, type TlsProxy } from "./home.ts";
import { lockHome } from "./home-lock.ts";

/** Undefined where TLS is mutual. */
export type Line = TlsProxy | undefined;

/**
 * @param caFile certificates under which the proxy answers in other hosts' names, PEM
 * @throws ConsiliumError `file-not-found`, `file-unreadable`, `certificate-untrusted` for what holds no certificate
 */
export async function readTlsProxy(caFile: string | undefined): Promise<TlsProxy> {
  if (caFile === undefined) return {};
  const subject = basename(caFile);
  const caPem = await readFile(caFile, "utf8").catch((cause: NodeJS.ErrnoException) => {
    const missing = cause.code === "ENOENT";
    throw new ConsiliumError(missing ? "file-not-found" : "file-unreadable", {
      subject,
      expected: "the proxy's certificate, PEM",
      actual: missing ? "no such file" : String(cause.code),
      hint: "Ask your network's operator for the certificate of the proxy's authority.",
      cause,
    });
  });
  const certificates = certificatesIn(caPem);
  if (certificates.length === 0) {
    throw new ConsiliumError("certificate-untrusted", {
      subject,
      expected: "one certificate or several, PEM",
      actual: "none",
      hint: "Ask your network's operator for the proxy's certificate as a PEM file: it begins with -----BEGIN CERTIFICATE-----.",
    });
  }
  for (const each of certificates) readCertificate(each);
  return { caPem: `${certificates.join("\n")}\n` };
}

/**
 * The line of a site that has joined, from its next start on.
 * @throws ConsiliumError `home-invalid`, `home-locked` while a process works in the home
 */
export async function chooseLine(home: string, line: Line): Promise<Membership> {
  const { membership } = await readSite(home);
  const lock = await lockHome(home);
  try {
    return await keepLine(home, membership, line);
  } finally {
    lock.release();
  }
}

/** The membership is written last: a choice counts once its certificates are there. */
export async function keepLine(home: string, membership: Membership, line: Line): Promise<Membership> {
  const { mutualTls: _, ...rest } = membership;
  const chosen: Membership = line === undefined ? rest : { ...rest, mutualTls: false };
  if (line?.caPem !== undefined) await writeFileDurably(identityPath(home, "proxy-ca"), line.caPem);
  const store = await openFileStore(home);
  await store.write(FEDERATION_DOCUMENT, chosen);
  if (line?.caPem === undefined) await rm(identityPath(home, "proxy-ca"), { force: true });
  return chosen;
}

/** Where what leaves goes to, as the site's log says it. */
export function destinationOf({ address, mutualTls }: Pick<Membership, "address" | "mutualTls">): string {
  return mutualTls === false ? `${address}, sealed, through a proxy that ends TLS: mutual TLS is off` : address;
}
