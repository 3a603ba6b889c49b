/** A coordinator, two sites that reach it and one behind a real proxy that ends TLS; and what the proxy must not see. */
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "vitest";
import { type CoordinatorNews, openCoordinator } from "../../src/coordinator/index.ts";
import { type TlsEndingProxy, tlsEndingProxy } from "../../src/protocol/testing/tls-ending-proxy.ts";
import type { SiteEvent } from "../../src/site/events.ts";
import { readSite, type Site } from "../../src/site/home.ts";
import { joinFederation } from "../../src/site/join-federation.ts";
import { readTlsProxy } from "../../src/site/line.ts";
import { dialCoordinator } from "../../src/site/review-studies.ts";
import type { RunOutcome } from "../../src/site/run-site.ts";
import { readSiteLog } from "../../src/site/site-status.ts";
import {
  joinSites,
  newCoordinatorHome,
  type ServedCoordinator,
  SITE_CASES,
  serveCoordinator,
  submit,
} from "../../src/site/testing/federation-suite.ts";
import {
  linkOf,
  madeUpCases,
  QUICK,
  registerMadeUp,
  runTestSite,
  temporaryFolder,
  tinyStudy,
} from "../../src/site/testing/test-site.ts";
import { tinyWork } from "../../src/site/testing/tiny-work.ts";
import type { Study } from "../../src/study/index.ts";

export const STUDY = tinyStudy({
  rounds: { count: 2 },
  aggregation: { algorithm: "fedavg", weightBy: "cases", precisionBits: 24 },
});

export interface SealedFederation {
  readonly root: string;
  readonly proxy: TlsEndingProxy;
  readonly served: ServedCoordinator;
  readonly sites: readonly Site[];
  readonly behind: Site;
  readonly home: string;
  readonly invitation: { readonly invitationId: string; readonly secret: string };
  readonly news: CoordinatorNews[];
  /** What is to be closed at the end, in turn. */
  readonly closing: (() => Promise<void>)[];
  close(): Promise<void>;
}

/** Site c joins through the proxy, to which its network leads it. */
export async function sealedFederation(): Promise<SealedFederation> {
  const root = await temporaryFolder();
  const proxy = await tlsEndingProxy();
  const closing = [proxy.close];
  const home = await newCoordinatorHome(root);
  const served = await serveCoordinator(home, { allowSealed: true });
  closing.push(served.close);
  const news: CoordinatorNews[] = [];
  served.coordinator.onNews((each) => news.push(each));
  proxy.upstream = served.server.address;
  const { c, ...others } = SITE_CASES;
  const direct = await joinSites(root, served.coordinator, "tls", others);
  const { text } = await served.coordinator.invite({ siteId: "c" });
  const invitation = { ...JSON.parse(text), address: proxy.address };
  const invitationFile = join(root, "c.invitation.json");
  const proxyCa = join(root, "proxy.pem");
  await writeFile(invitationFile, JSON.stringify(invitation));
  await writeFile(proxyCa, proxy.caPem);
  const siteHome = join(root, "c");
  const joining = { home: siteHome, invitationFile, productVersion: "test" };
  await expect(joinFederation(joining)).rejects.toMatchObject({ code: "certificate-untrusted" });
  const tlsProxy = await readTlsProxy(proxyCa);
  expect(await joinFederation({ ...joining, tlsProxy })).toMatchObject({ siteId: "c", mutualTls: false });
  const behind = await readSite(siteHome);
  await registerMadeUp(behind, madeUpCases("c", c));
  const close = async (): Promise<void> => {
    for (const each of closing.splice(0).reverse()) await each();
    await rm(root, { recursive: true, force: true });
  };
  return { root, proxy, served, sites: [...direct, behind], behind, home, invitation, news, closing, close };
}

/** The final model of the same study without a proxy. */
export async function inMemory(root: string, study: Study): Promise<string> {
  const folder = join(root, "memory");
  await mkdir(folder);
  const coordinator = await openCoordinator({ home: await newCoordinatorHome(folder) });
  const sites = await joinSites(folder, coordinator, "memory");
  await submit(coordinator, study);
  const outcomes = await Promise.all(
    sites.map((site) => runTestSite({ site, link: linkOf(site, coordinator.service) })),
  );
  await coordinator.close();
  return finalOf(outcomes);
}

export function finalOf(outcomes: readonly RunOutcome[]): string {
  const finals = outcomes.map((outcome) => (outcome.kind === "done" ? outcome.finalSha256 : outcome.kind));
  expect(new Set(finals).size).toBe(1);
  return finals[0];
}

export async function run(site: Site, onEvent?: (event: SiteEvent) => void): Promise<RunOutcome> {
  const link = dialCoordinator(site);
  try {
    return await runTestSite({ site, link, openWork: tinyWork({}), timing: QUICK, ...(onEvent && { onEvent }) });
  } finally {
    await link.close();
  }
}

/** What must be nowhere in what the proxy saw: names, secrets, models, updates and their digests. */
export async function secretsOf(
  { behind, served, invitation }: SealedFederation,
  models: readonly string[],
): Promise<(string | Buffer)[]> {
  const { keyPem, certificatePem, store } = behind;
  const der = Buffer.from(certificatePem.replace(/-----[^-]+-----|\s/g, ""), "base64");
  const updates = (await readSiteLog(behind.home)).filter(({ what }) => what === "update").map(({ sha256 }) => sha256);
  expect(updates).toHaveLength(2);
  const bytes = await Promise.all(models.map(async (model) => Buffer.from(await store.object(model))));
  return [
    ...models,
    ...updates,
    ...[...models, ...updates].map((digest) => Buffer.from(digest, "hex")),
    ...bytes.map((model) => model.subarray(model.length - 64)),
    der.subarray(100, 164),
    keyPem.slice(40, 90),
    invitation.invitationId,
    invitation.secret,
    served.coordinator.state().study?.hash ?? "no study",
    "evaluation figures",
    '"siteId"',
    "fedavg",
  ];
}
