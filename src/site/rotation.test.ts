/** The federation's authority is rotated under a federation at work: real TLS, by a clock that moves. */
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { systemClock } from "../base/index.ts";
import {
  adminClient,
  type Coordinator,
  type CoordinatorServer,
  initCoordinator,
  openCoordinator,
  startServer,
  verifyHome,
} from "../coordinator/index.ts";
import {
  certificateFingerprint,
  certificatesIn,
  createAuthority,
  isIssued,
  signSuccession,
} from "../protocol/index.ts";
import { openAuthorities } from "./authorities.ts";
import { identityPath, openSite } from "./home.ts";
import { joinFederation } from "./join-federation.ts";
import { dialCoordinator } from "./review-studies.ts";
import { ask, startShift } from "./shift.ts";
import { temporaryFolder } from "./testing/test-site.ts";

const DAY_MS = 86_400_000;
let root: string;
let home: string;
let coordinator: Coordinator;
let server: CoordinatorServer | undefined;
let nowMs: number;
const clock = { nowMs: () => nowMs };

/** TLS goes by the machine's clock: the federation begins in its past, and its own clock stays behind it. */
beforeEach(async () => {
  nowMs = systemClock.nowMs() - 12 * DAY_MS;
  root = await temporaryFolder();
  home = join(root, "coordinator");
  await initCoordinator({ home, name: "Rotating", listen: "127.0.0.1:0", nowMs });
  await open();
});
afterEach(async () => {
  await shut();
  await rm(root, { recursive: true, force: true });
});

async function open(): Promise<void> {
  coordinator = await openCoordinator({ home, clock });
  server = await startServer(coordinator);
}

async function shut(): Promise<void> {
  await server?.close();
  server = undefined;
  await coordinator.close();
}

async function join_(siteId: string): Promise<string> {
  const invitationFile = join(root, `${siteId}.invitation`);
  await writeFile(invitationFile, (await coordinator.invite({ siteId })).text);
  await joinFederation({ home: join(root, siteId), invitationFile, productVersion: "test", clock });
  return join(root, siteId);
}

/** One conversation: what is due, and a sign of life, as often as said. */
async function converse(siteHome: string, times = 1): Promise<void> {
  const site = await openSite(siteHome);
  const link = dialCoordinator(site);
  try {
    const shift = await startShift({ site, link, productVersion: "test", clock, patience: "none" });
    for (let i = 0; i < times; i++) await ask(shift);
  } finally {
    await link.close();
    await site.close();
  }
}

const authorityOf = (siteHome: string): Promise<string> => readFile(identityPath(siteHome, "authority"), "utf8");
const awaited = (): readonly string[] | undefined => coordinator.status().federation.authority.rotation?.awaited;

describe("a rotated authority", () => {
  test("is followed by sites at work, believed beside the old one, and alone after the overlap", async () => {
    const upenn = await join_("upenn");
    const { fromSha256, toSha256 } = await adminClient(home, clock).rotateAuthority(10);
    expect(awaited()).toEqual(["upenn"]);
    await expect(coordinator.rotateAuthority(10)).rejects.toMatchObject({ code: "authority-rotating" });

    await converse(upenn, 2);
    expect(certificatesIn(await authorityOf(upenn)).map(certificateFingerprint)).toEqual([toSha256, fromSha256]);
    expect(awaited()).toEqual([]);
    // Who joins meanwhile believes both, by an invitation that names the old one.
    const tum = await join_("tum");
    expect(certificatesIn(await authorityOf(tum)).map(certificateFingerprint)).toEqual([toSha256, fromSha256]);
    await shut();
    await open();
    await converse(tum);

    nowMs += 11 * DAY_MS;
    await shut();
    await open();
    await converse(upenn, 2);
    expect(certificatesIn(await authorityOf(upenn)).map(certificateFingerprint)).toEqual([toSha256]);
    expect(coordinator.status().federation).toMatchObject({ id: toSha256, authority: { rotation: null } });
    const late = await join_("late");
    expect(certificatesIn(await authorityOf(late)).map(certificateFingerprint)).toEqual([toSha256]);
    await converse(late);
    expect((await verifyHome(home)).records).toBeGreaterThan(5);
  });

  test("leaves out a site that was not heard in time, and says what to do", async () => {
    const upenn = await join_("upenn");
    await coordinator.rotateAuthority(1);
    nowMs += 2 * DAY_MS;
    await shut();
    await open();
    await expect(converse(upenn)).rejects.toMatchObject({ code: "certificate-untrusted" });
  });

  test("is believed only where the old one's key said so, and in its time", async () => {
    const upenn = await join_("upenn");
    const site = await openSite(upenn);
    const authorities = await openAuthorities(site, nowMs);
    const [stranger, next] = [await createAuthority("Rotating", nowMs), await createAuthority("Rotating", nowMs)];
    const forged = signSuccession(stranger, next.certificatePem, nowMs + DAY_MS);
    const message = {
      ...forged,
      endsMs: BigInt(forged.endsMs),
      $typeName: "consilium.v1.AuthoritySuccession",
    } as never;
    await expect(authorities.follow(message, nowMs)).rejects.toMatchObject({ code: "signature-invalid" });
    await coordinator.rotateAuthority(1);
    const real = coordinator.serving.home().previous?.succession;
    const genuine = { ...real, endsMs: BigInt(real?.endsMs ?? 0) } as never;
    const stretched = { ...real, endsMs: BigInt((real?.endsMs ?? 0) + 1) } as never;
    await expect(authorities.follow(stretched, nowMs)).rejects.toMatchObject({ code: "signature-invalid" });
    await expect(authorities.follow(genuine, nowMs + 2 * DAY_MS)).rejects.toMatchObject({
      code: "certificate-expired",
    });
    expect(await authorities.follow(genuine, nowMs)).toBe(true);
    await site.close();
  });

  test("that was cut short before its file was in place is none", async () => {
    const before = await readFile(join(home, "authority.pem"), "utf8");
    await coordinator.rotateAuthority(1);
    await shut();
    await writeFile(join(home, "authority.pem"), before);
    await open();
    expect(coordinator.status().federation.authority.rotation).toBeNull();
    const upenn = await join_("upenn");
    expect(isIssued(await readFile(identityPath(upenn, "certificate"), "utf8"), before)).toBe(true);
  });
});
