/** Sites for tests: joined to a scripted coordinator in memory, with made-up cases, run to the end of a study. */
import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { CaseFiles } from "../../imaging/index.ts";
import { type CoordinatorLink, enrolInMemory, type FederationService, memoryLink } from "../../protocol/index.ts";
import { parseStudy, type Study } from "../../study/index.ts";
import { splitBySubject } from "../data-split.ts";
import { readSite, type Site } from "../home.ts";
import { joinFederation } from "../join-federation.ts";
import { findReview, readReviews, writeDecision } from "../reviews.ts";
import { type RunOutcome, type RunSiteOptions, runSite } from "../run-site.ts";
import { writeRegisteredData } from "../site-data.ts";
import { tinyWork } from "./tiny-work.ts";

export function tinyStudy(changes: Record<string, unknown> = {}): Study {
  return parseStudy({
    schema: "consilium.study/1",
    name: "Tiny",
    network: { kind: "unet3d", levels: 2 },
    training: { optimiser: { kind: "sgd", learningRate: 0.05 }, patch: [8, 8, 8], stepsPerRound: 3, seed: 7 },
    rounds: { count: 3 },
    ...changes,
  });
}

export function madeUpCases(siteId: string, count: number, name = "case"): CaseFiles[] {
  return Array.from({ length: count }, (_, i) => {
    const id = `${name}-${siteId}-${i}`;
    const folder = `/data/${siteId}/${id}`;
    const path = (role: string): string => `${folder}/${id}_${role}.nii.gz`;
    const images = { t1: path("t1"), t1ce: path("t1ce"), t2: path("t2"), flair: path("flair") };
    return { id, subject: id, folder, images, labelMap: path("seg") };
  });
}

export async function temporaryFolder(): Promise<string> {
  return mkdtemp(join(tmpdir(), "consilium-site-"));
}

export interface JoinTestSite {
  readonly root: string;
  readonly siteId: string;
  readonly invitation: string;
  readonly service: FederationService;
  readonly cases: readonly CaseFiles[];
}

/** Joins through the service in memory, and registers cases without reading any file. @returns the home */
export async function joinTestSite({ root, siteId, invitation, service, cases }: JoinTestSite): Promise<string> {
  const home = join(root, siteId);
  const invitationFile = join(root, `${siteId}.invitation.json`);
  await writeFile(invitationFile, invitation);
  const enrolBy: typeof enrolInMemory extends (service: FederationService, options: infer O) => infer R
    ? (options: O) => R
    : never = (options) => enrolInMemory(service, options);
  await joinFederation({ home, invitationFile, productVersion: "test", enrolBy });
  await registerMadeUp(await readSite(home), cases);
  return home;
}

export async function registerMadeUp(site: Pick<Site, "store">, cases: readonly CaseFiles[]): Promise<void> {
  await writeRegisteredData(site.store, {
    dataset: "/data",
    convention: "brats2021",
    seed: 0,
    cases,
    split: splitBySubject(cases, 0),
    excluded: [],
    smallestExtentMm: [240, 240, 155],
    registeredAtMs: 0,
  });
}

export function linkOf(site: Site, service: FederationService): CoordinatorLink {
  return memoryLink(service, { siteId: site.siteId, keySha256: site.keySha256 });
}

export const QUICK = { heartbeatMs: 50, pauseMs: 5, backoffMinMs: 1, backoffMaxMs: 5 } as const;
/** No sign of life in between, so that a site takes the same steps however long one of them lasts. */
export const UNTOLD = { ...QUICK, heartbeatMs: 600_000 } as const;

export type TestRun = Partial<RunSiteOptions> & { readonly site: Site; readonly link: CoordinatorLink };

/** Runs a site that approves whatever it is offered. */
export function runTestSite(run: TestRun): Promise<RunOutcome> {
  return runSite({
    openWork: tinyWork(),
    productVersion: "test",
    timing: QUICK,
    ...run,
    onEvent: async (event) => {
      if (event.kind === "review") await approve(run.site, event.studyHash);
      await run.onEvent?.(event);
    },
  });
}

export async function approve(site: Site, studyHash: string): Promise<void> {
  const review = findReview(await readReviews(site.store), studyHash);
  await writeDecision(site.store, review, { approved: true, reason: "", decidedAtMs: 1 });
}
