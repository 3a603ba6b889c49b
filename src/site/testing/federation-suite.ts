/** A coordinator of the product and sites of the product, with a small engine: in memory, or over TLS on loopback. */

import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  type Coordinator,
  type CoordinatorServer,
  initCoordinator,
  openCoordinator,
  type ServerOptions,
  startServer,
} from "../../coordinator/index.ts";
import { type Parameters, parameterLayout } from "../../graph/index.ts";
import { enrolInMemory } from "../../protocol/index.ts";
import type { Study } from "../../study/index.ts";
import { readSite, type Site } from "../home.ts";
import { joinFederation } from "../join-federation.ts";
import { madeUpCases, registerMadeUp } from "./test-site.ts";

export const SITE_CASES: Readonly<Record<string, number>> = { a: 6, b: 3, c: 11 };

export function startingParameters(): Parameters {
  const layout = parameterLayout(
    new Map([
      ["w", [40, 30]],
      ["b", [50]],
    ]),
  );
  return { layout, data: Float32Array.from({ length: layout.length }, (_, i) => Math.fround(Math.sin(i))) };
}

export async function newCoordinatorHome(root: string): Promise<string> {
  const home = join(root, "coordinator");
  await initCoordinator({ home, name: "Test federation", listen: "127.0.0.1:0", nowMs: Date.now() });
  return home;
}

export interface ServedCoordinator {
  readonly coordinator: Coordinator;
  readonly server: CoordinatorServer;
  close(): Promise<void>;
}

export async function serveCoordinator(home: string, options: ServerOptions = {}): Promise<ServedCoordinator> {
  const coordinator = await openCoordinator({ home });
  const server = await startServer(coordinator, options);
  return {
    coordinator,
    server,
    async close() {
      await server.close();
      await coordinator.close();
    },
  };
}

export interface StoppedFederation {
  /** Of the coordinator. */
  readonly home: string;
  readonly sites: readonly Site[];
  readonly studyHash: string;
}

/** Sites that joined over TLS and a submitted study, in a new folder; the coordinator is closed again, its address stays. */
export async function stoppedFederation(folder: string, study: Study): Promise<StoppedFederation> {
  await mkdir(folder);
  const home = await newCoordinatorHome(folder);
  const { coordinator, close } = await serveCoordinator(home);
  const sites = await joinSites(folder, coordinator, "tls");
  const studyHash = await submit(coordinator, study);
  await close();
  return { home, sites, studyHash };
}

/** Invites and joins sites with so many cases each, over the network or in memory, and registers made-up cases. */
export async function joinSites(
  root: string,
  coordinator: Coordinator,
  by: "tls" | "memory",
  casesOf: Readonly<Record<string, number>> = SITE_CASES,
): Promise<Site[]> {
  const sites: Site[] = [];
  for (const [siteId, cases] of Object.entries(casesOf)) {
    const { text } = await coordinator.invite({ siteId });
    const invitationFile = join(root, `${siteId}.invitation.json`);
    await writeFile(invitationFile, text);
    const home = join(root, siteId);
    await joinFederation({
      home,
      invitationFile,
      productVersion: "test",
      ...(by === "memory" && { enrolBy: (options) => enrolInMemory(coordinator.service, options) }),
    });
    const site = await readSite(home);
    await registerMadeUp(site, madeUpCases(siteId, cases));
    sites.push(site);
  }
  return sites;
}

export async function submit(coordinator: Coordinator, study: Study): Promise<string> {
  return (await coordinator.submitStudy({ study, initialParameters: startingParameters() })).hash;
}
