/**
 * A coordinator's home: one folder with all that a federation is.
 *
 * `coordinator.json` says what it is called and where it listens, and is written last: a home without it is none.
 * `authority.pem` is the federation's authority (`authority.ts`), `server.pem` the coordinator's own certificate and
 * key, renewed when it runs out; both are readable by their owner only. `journal.db` and `objects/` hold what happened.
 */
import { chmod, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { ConsiliumError, type Sha256 } from "../base/index.ts";
import {
  type Credentials,
  certificateFingerprint,
  certificateServes,
  createAuthority,
  isIssued,
  issueCoordinatorCertificate,
  issuerIn,
  readCertificate,
  splitAddress,
} from "../protocol/index.ts";
import type { ModelSigner } from "../segmentation/index.ts";
import {
  type Authorities,
  readAuthorities,
  resealAuthorities,
  serverAuthority,
  unlocked,
  writeAuthority,
} from "./authority.ts";
import { readOptional, writePrivately, writing } from "./home-files.ts";

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
  /** That the authority's key is sealed under; without one it lies in the home as it is. */
  readonly passphrase?: string | undefined;
  readonly nowMs: number;
}

export interface Federation {
  readonly name: string;
  readonly listen: string;
  readonly address: string;
  /** The authority's fingerprint. */
  readonly id: Sha256;
}

export interface Home extends Federation, Authorities {
  readonly folder: string;
  /** As it was given when the home was read. */
  readonly passphrase: string | undefined;
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
    await writeAuthority(folder, authority, options.passphrase);
    await writeCredentials(folder, "server", await issueCoordinatorCertificate(authority, hostsOf(facts), nowMs));
    await writeFacts(folder, facts);
    return { ...facts, id: certificateFingerprint(authority.certificatePem) };
  });
}

/**
 * @param passphrase where the authority's key is to be used and may be sealed
 * @throws ConsiliumError `home-invalid` for a folder that is no coordinator's home, `passphrase-wrong`
 */
export async function readHome(folder: string, passphrase?: string): Promise<Home> {
  const text = await readOptional(join(folder, "coordinator.json"));
  const parsed = homeSchema.safeParse(text === undefined ? undefined : parseJson(text));
  const authorities = await readAuthorities(folder, passphrase);
  const server = await readCredentials(folder, "server");
  if (!parsed.success || authorities === undefined || server === undefined) {
    throw new ConsiliumError("home-invalid", {
      subject: "home of the coordinator",
      expected: "a folder made by `consilium coordinator init`",
      actual: text === undefined ? "one without coordinator.json" : "one whose files are damaged or missing",
      hint: "Check --home; if it is right, restore the folder from a copy.",
    });
  }
  const { name, listen, address } = parsed.data;
  const id = certificateFingerprint(authorities.authority.certificatePem);
  return { folder, name, listen, address, id, ...authorities, server, passphrase };
}

/** The coordinator as one who vouches for models. @throws ConsiliumError `home-invalid` */
export async function modelSigner(folder: string): Promise<ModelSigner> {
  const { server, authority, previous } = await readHome(folder);
  const authorities = authority.certificatePem + (previous?.certificatePem ?? "");
  return { role: "coordinator", ...server, authorityPem: issuerIn(authorities, server.certificatePem) };
}

/**
 * Issues the coordinator's certificate anew where it is about to run out, where its address was changed, or where the
 * authority that it is of is no longer believed.
 */
export async function renewServerCertificate(home: Home, nowMs: number): Promise<Home> {
  const { certificatePem } = home.server;
  const issuer = serverAuthority(home, nowMs);
  const fits = hostsOf(home).every((host) => certificateServes(certificatePem, host));
  const lasts = readCertificate(certificatePem).notAfterMs - nowMs > RENEW_BEFORE_MS;
  if (fits && lasts && isIssued(home.server.certificatePem, issuer.certificatePem)) return home;
  const server = await issueCoordinatorCertificate(unlocked(issuer), hostsOf(home), nowMs);
  await writing(() => writeCredentials(home.folder, "server", server));
  return { ...home, server };
}

/** Seals the authority's key under a new passphrase. @throws ConsiliumError `passphrase-wrong`, `passphrase-missing` */
export async function changePassphrase(folder: string, present: string | undefined, next: string): Promise<void> {
  const home = await readHome(folder, present);
  await resealAuthorities(folder, home, next);
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

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
