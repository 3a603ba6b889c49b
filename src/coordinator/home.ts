/**
 * A coordinator's home: one folder with all that a federation is.
 *
 * `coordinator.json` says what it is called and where it listens, and is written last: a home without it is none.
 * `authority.pem` is the federation's authority, `server.pem` the coordinator's own certificate and key, renewed when
 * it runs out; both are readable by their owner only. `journal.db` and `objects/` hold what happened.
 */
import { randomUUID } from "node:crypto";
import { chmod, mkdir, open, readFile, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { z } from "zod";
import { ConsiliumError, type Sha256 } from "../base/index.ts";
import {
  type Credentials,
  certificateFingerprint,
  certificateServes,
  createAuthority,
  issueCoordinatorCertificate,
  readCertificate,
  splitAddress,
  syncFolder,
  systemCode,
  writeAll,
  writeError,
} from "../protocol/index.ts";
import type { ModelSigner } from "../segmentation/index.ts";

const SCHEMA = "consilium.coordinator/1";
const RENEW_BEFORE_MS = 60 * 86_400_000;

const homeSchema = z.strictObject({
  schema: z.literal(SCHEMA),
  name: z.string(),
  /** host:port to listen on. */
  listen: z.string(),
  /** host:port that sites dial. */
  address: z.string(),
});

export interface InitOptions {
  readonly home: string;
  /** Of the federation, as sites see it. */
  readonly name: string;
  /** host:port to listen on; port 0 takes a free one at the first start and keeps it. */
  readonly listen: string;
  /** host:port that sites dial, where it differs. */
  readonly address?: string | undefined;
  readonly nowMs: number;
}

export interface Federation {
  readonly name: string;
  readonly listen: string;
  readonly address: string;
  /** The authority's fingerprint. */
  readonly id: Sha256;
}

export interface Home extends Federation {
  readonly folder: string;
  readonly authority: Credentials;
  readonly server: Credentials;
}

/** @throws ConsiliumError `file-exists` for a home that is one already, `usage` for its name or address. */
export async function initCoordinator(options: InitOptions): Promise<Federation> {
  const { home: folder, name, listen, nowMs } = options;
  const address = options.address ?? listen;
  splitAddress(listen);
  splitAddress(address);
  if (name.trim() === "" || name.length > 64) {
    throw new ConsiliumError("usage", {
      subject: "federation",
      expected: "a name of 1 to 64 characters",
      actual: JSON.stringify(name.slice(0, 80)),
      hint: "Sites see it when they join: choose one that they know.",
    });
  }
  if (isWildcard(splitAddress(address).host)) {
    throw new ConsiliumError("usage", {
      subject: `address ${address}`,
      expected: "an address that sites can dial",
      actual: "one that only means every address of this machine",
      hint: "Say beside it under which name or address sites reach this machine.",
    });
  }
  const taken = await readOptional(join(folder, "coordinator.json"));
  if (taken !== undefined) {
    throw new ConsiliumError("file-exists", {
      subject: "home of the coordinator",
      expected: "an empty or absent folder",
      actual: "a coordinator's home",
      hint: "Start it with `consilium coordinator start`, or choose another folder.",
    });
  }
  return writing(async () => {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await chmod(folder, 0o700);
    const authority = await createAuthority(name, nowMs);
    const facts = { name, listen, address };
    await writeCredentials(folder, "authority", authority);
    await writeCredentials(folder, "server", await issueCoordinatorCertificate(authority, hostsOf(facts), nowMs));
    await writeFacts(folder, facts);
    return { ...facts, id: certificateFingerprint(authority.certificatePem) };
  });
}

/** @throws ConsiliumError `home-invalid` for a folder that is no coordinator's home. */
export async function readHome(folder: string): Promise<Home> {
  const text = await readOptional(join(folder, "coordinator.json"));
  const parsed = homeSchema.safeParse(text === undefined ? undefined : parseJson(text));
  const authority = await readCredentials(folder, "authority");
  const server = await readCredentials(folder, "server");
  if (!parsed.success || authority === undefined || server === undefined) {
    throw new ConsiliumError("home-invalid", {
      subject: "home of the coordinator",
      expected: "a folder made by `consilium coordinator init`",
      actual: text === undefined ? "one without coordinator.json" : "one whose files are damaged or missing",
      hint: "Check --home; if it is right, restore the folder from a copy.",
    });
  }
  const { name, listen, address } = parsed.data;
  return { folder, name, listen, address, id: certificateFingerprint(authority.certificatePem), authority, server };
}

/** The coordinator as one who vouches for models. @throws ConsiliumError `home-invalid` */
export async function modelSigner(folder: string): Promise<ModelSigner> {
  const { server, authority } = await readHome(folder);
  return { role: "coordinator", ...server, authorityPem: authority.certificatePem };
}

/** Issues the coordinator's certificate anew where it is about to run out, or where its address was changed. */
export async function renewServerCertificate(home: Home, nowMs: number): Promise<Home> {
  const { certificatePem } = home.server;
  const fits = hostsOf(home).every((host) => certificateServes(certificatePem, host));
  if (fits && readCertificate(certificatePem).notAfterMs - nowMs > RENEW_BEFORE_MS) return home;
  const server = await issueCoordinatorCertificate(home.authority, hostsOf(home), nowMs);
  await writing(() => writeCredentials(home.folder, "server", server));
  return { ...home, server };
}

/** Keeps the port that was taken where the home left it open. */
export async function keepBoundAddress(home: Home, bound: string): Promise<Home> {
  const listensAnywhere = splitAddress(home.listen).port === 0;
  if (!listensAnywhere) return home;
  const address = splitAddress(home.address).port === 0 ? withPort(home.address, bound) : home.address;
  const facts = { name: home.name, listen: bound, address };
  await writing(() => writeFacts(home.folder, facts));
  return { ...home, ...facts };
}

function withPort(address: string, bound: string): string {
  return `${address.slice(0, address.lastIndexOf(":"))}:${splitAddress(bound).port}`;
}

function hostsOf({ listen, address }: { readonly listen: string; readonly address: string }): string[] {
  const hosts = [splitAddress(address).host, splitAddress(listen).host];
  return [...new Set(hosts)].filter((host) => !isWildcard(host));
}

function isWildcard(host: string): boolean {
  return host === "0.0.0.0" || host === "::";
}

async function writeFacts(
  folder: string,
  facts: { readonly name: string; readonly listen: string; readonly address: string },
): Promise<void> {
  await writePrivately(join(folder, "coordinator.json"), `${JSON.stringify({ schema: SCHEMA, ...facts }, null, 2)}\n`);
}

/** Key and certificate in one file, so that a renewal can never be found half done. */
async function writeCredentials(folder: string, name: string, { certificatePem, keyPem }: Credentials): Promise<void> {
  await writePrivately(join(folder, `${name}.pem`), `${certificatePem.trim()}\n${keyPem.trim()}\n`);
}

async function readCredentials(folder: string, name: string): Promise<Credentials | undefined> {
  const text = await readOptional(join(folder, `${name}.pem`));
  const certificatePem = /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/.exec(text ?? "")?.[0];
  const keyPem = /-----BEGIN PRIVATE KEY-----[\s\S]*?-----END PRIVATE KEY-----/.exec(text ?? "")?.[0];
  return certificatePem && keyPem ? { certificatePem: `${certificatePem}\n`, keyPem: `${keyPem}\n` } : undefined;
}

/** Writes a file that only its owner reads, whole or not at all. */
export async function writePrivately(path: string, text: string): Promise<void> {
  const temporary = `${path}.${randomUUID()}.part`;
  try {
    const file = await open(temporary, "wx", 0o600);
    try {
      await writeAll(file, Buffer.from(text), 0);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
    await syncFolder(dirname(path));
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw error;
  }
}

async function readOptional(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    if (["ENOENT", "ENOTDIR"].includes(systemCode(cause) ?? "")) return undefined;
    throw new ConsiliumError("file-unreadable", {
      subject: "home of the coordinator",
      expected: "a folder that this user may read",
      actual: systemCode(cause) ?? "a failed read",
      hint: "Check whose folder it is.",
      cause,
    });
  }
}

async function writing<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw writeError(error, "home of the coordinator");
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
