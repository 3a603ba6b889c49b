/** A whole small federation on a temporary folder, and the moves that tests make with it. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Clock, systemClock } from "../../base/index.ts";
import type { Study } from "../../study/index.ts";
import { type Coordinator, initCoordinator, openCoordinator } from "../index.ts";
import { act, type FakeSite, joinFake, memoryLinkOf } from "./fake-site.ts";
import { smallParameters, smallStudy } from "./studies.ts";

export interface TestFederation {
  readonly home: string;
  readonly folder: string;
  coordinator: Coordinator;
  readonly sites: FakeSite[];
  /** Lets the present coordinator go without a word, and opens another on its home. */
  reopen(): Promise<Coordinator>;
  remove(): Promise<void>;
}

export async function newFederation(siteIds: readonly string[], clock: Clock = systemClock): Promise<TestFederation> {
  const folder = await mkdtemp(join(tmpdir(), "consilium-coordinator-"));
  const home = join(folder, "home");
  await initCoordinator({ home, name: "Test", listen: "127.0.0.1:0", nowMs: clock.nowMs() });
  const coordinator = await openCoordinator({ home, clock });
  const federation: TestFederation = {
    home,
    folder,
    coordinator,
    sites: [],
    async reopen() {
      await federation.coordinator.close();
      federation.coordinator = await openCoordinator({ home, clock });
      for (const site of federation.sites) site.link = memoryLinkOf(federation.coordinator, site);
      return federation.coordinator;
    },
    async remove() {
      await federation.coordinator.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
  for (const siteId of siteIds) federation.sites.push(await joinFake(coordinator, siteId, folder));
  return federation;
}

export async function submitSmall(coordinator: Coordinator, study: Study = smallStudy()): Promise<Study> {
  await coordinator.submitStudy({ study, initialParameters: smallParameters() });
  return study;
}

/** Every site acts in turn until the study ends; `between` is called after every act. */
export async function runToEnd(
  federation: TestFederation,
  between: () => Promise<void> = async () => {},
): Promise<void> {
  for (let turn = 0; turn < 10_000; turn++) {
    for (const site of federation.sites) {
      await act(site);
      await between();
    }
    const { kind } = federation.coordinator.state().phase;
    if (kind === "done" || kind === "failed") return;
    if (kind === "aggregating") await new Promise((resolve) => setTimeout(resolve, 5));
  }
  throw new Error("the study did not end");
}
