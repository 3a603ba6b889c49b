/** Federations whose sites measure each other's models: three that train, one that only measures. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { type Coordinator, type MatrixStatus, openCoordinator } from "../../coordinator/index.ts";
import type { Study } from "../../study/index.ts";
import type { SiteEvent } from "../events.ts";
import type { Site } from "../home.ts";
import { joinSites, newCoordinatorHome, submit } from "./federation-suite.ts";
import { linkOf, runTestSite } from "./test-site.ts";

/** Of b's three cases none is for validation. */
const CASES = { a: 6, b: 3, c: 11, d: 8 };

export interface MatrixFederation {
  readonly home: string;
  readonly coordinator: Coordinator;
  readonly sites: readonly Site[];
}

export async function matrixFederation(root: string, name: string, study: Study): Promise<MatrixFederation> {
  const folder = join(root, name);
  await mkdir(folder);
  const home = await newCoordinatorHome(folder);
  const coordinator = await openCoordinator({ home });
  const sites = await joinSites(folder, coordinator, "memory", CASES);
  await submit(coordinator, study);
  return { home, coordinator, sites };
}

export function runAll(
  { coordinator, sites }: MatrixFederation,
  onEvent: (siteId: string, event: SiteEvent) => void = () => {},
): Promise<unknown> {
  return Promise.all(
    sites.map((site) => {
      return runTestSite({
        site,
        link: linkOf(site, coordinator.service),
        onEvent: (event) => onEvent(site.siteId, event),
      });
    }),
  );
}

export function matricesOf({ coordinator }: MatrixFederation): readonly MatrixStatus[] {
  return coordinator.status().study?.matrices ?? [];
}
