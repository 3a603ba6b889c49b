/** A coordinator of the product and sites of the product, with a small engine: in memory, or over TLS on loopback. */
import { randomInt } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
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

export async function newCoordinatorHome(root: string, listen = "127.0.0.1:0"): Promise<string> {
  const home = join(root, "coordinator");
  await initCoordinator({ home, name: "Test federation", listen, nowMs: Date.now() });
  return home;
}

const PORTS_TRIED = 100;

/**
 * A free address for a coordinator that stops and starts again: its port is below those that systems give to outgoing
 * connections (from 32,768 on), one of which might take it meanwhile; a site's own that asks for it in vain among them.
 */
async function addressThatStays(): Promise<string> {
  for (let tried = 0; tried < PORTS_TRIED; tried++) {
    const port = randomInt(20_000, 32_000);
    const server = createServer();
    const isFree = await new Promise<boolean>((resolve) => {
      server.once("error", () => resolve(false)).listen(port, "127.0.0.1", () => resolve(true));
    });
    await new Promise((resolve) => server.close(resolve));
    if (isFree) return `127.0.0.1:${port}`;
  }
  throw new Error(`no free port in ${PORTS_TRIED} tries`);
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
  const home = await newCoordinatorHome(folder, await addressThatStays());
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
