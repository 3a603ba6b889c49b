/** Site-level privacy by the product's own sites and coordinator: noise in shares under masks, once a round, paid for. */
import { rm } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { CoordinatorEvent } from "../coordinator/index.ts";
import { plannedLedger } from "../privacy/index.ts";
import { readSite, type Site } from "./home.ts";
import { privacyAccount, setPrivacyBudget } from "./privacy-account.ts";
import type { RunOutcome } from "./run-site.ts";
import { Crash, fated } from "./testing/crash-points.ts";
import { type Begun, begin, finalOf } from "./testing/masked-suite.ts";
import { linkOf, QUICK, runTestSite, temporaryFolder } from "./testing/test-site.ts";

const CALM = { ...QUICK, heartbeatMs: 500, pauseMs: 60 };
const NOISE = { clipNorm: 0.5, noiseMultiplier: 2, delta: 1e-3 };
const AGGREGATION = { algorithm: "fedavg", weightBy: "equal", precisionBits: 28 };

let root: string;
beforeAll(async () => {
  root = await temporaryFolder();
});
afterAll(() => rm(root, { recursive: true, force: true }));

async function noised(siteLevel: object, count = 2): Promise<{ begun: Begun; events: CoordinatorEvent[] }> {
  const privacy = { secureAggregation: { threshold: 2 }, siteLevel };
  const begun = await begin(root, privacy, { count }, { aggregation: AGGREGATION });
  const study = begun.coordinator.state().study?.study;
  const planned = study && plannedLedger(study);
  if (planned === undefined) throw new Error("a study without noise");
  const { epsilon, delta, accountant } = planned;
  for (const { home } of begun.sites) {
    await setPrivacyBudget(home, { epsilon: epsilon * (1 + 1e-9), delta, accountant });
  }
  const events: CoordinatorEvent[] = [];
  begun.coordinator.onNews((news) => news.kind === "event" && events.push(news.event));
  return { begun, events };
}

const calm =
  ({ coordinator }: Begun) =>
  (site: Site): Promise<RunOutcome> =>
    runTestSite({ site, timing: CALM, link: linkOf(site, coordinator.service) });

describe("noise of sites", () => {
  it("is another in every run, moves the clip norm, leaves no loss, and is paid for by each site", async () => {
    const adaptive = { countDeviation: 1.5, targetQuantile: 0.5, learningRate: 0.2 };
    const first = await noised({ ...NOISE, adaptive });
    const second = await noised({ ...NOISE, adaptive });
    const finals = [await finalOf(first.begun, calm(first.begun)), await finalOf(second.begun, calm(second.begun))];
    expect(finals[0]).toMatch(/^[0-9a-f]{64}$/);
    expect(finals[0]).not.toBe(finals[1]);
    const norms = first.events.flatMap((event) => (event.kind === "round-aggregated" ? [event.clipNorm] : []));
    expect(norms).toHaveLength(2);
    expect(new Set([0.5, ...norms]).size).toBe(3);
    const losses = first.events.flatMap((event) => (event.kind === "update-received" ? [event.meanLoss] : []));
    expect(losses).toEqual(Array(6).fill(null));
    for (const { home } of first.begun.sites) {
      const { budget, spent, studies } = await privacyAccount(home);
      expect(studies[0]).toMatchObject({ rounds: 2, unprotectedRounds: 0 });
      expect(spent?.epsilon).toBeCloseTo(budget?.epsilon ?? 0, 4);
    }
  });

  it("is refused where it would exceed a hospital's budget", async () => {
    const { begun } = await noised(NOISE, 1);
    const [site] = begun.sites;
    await setPrivacyBudget(site.home, { epsilon: 0.01, delta: 1e-3, accountant: "pld" });
    const stop = new AbortController();
    const codes: string[] = [];
    const others = begun.sites
      .slice(1)
      .map((each) =>
        runTestSite({ site: each, timing: CALM, link: linkOf(each, begun.coordinator.service), signal: stop.signal }),
      );
    await runTestSite({
      site,
      timing: CALM,
      link: linkOf(site, begun.coordinator.service),
      signal: stop.signal,
      onEvent: (event) => {
        if (event.kind !== "failure") return;
        codes.push(event.error.code);
        stop.abort();
      },
    });
    await Promise.all(others);
    expect(codes).toEqual(["privacy-budget-exceeded"]);
    await begun.coordinator.close();
  });

  it("is drawn once: a site that dies after it sent resends the same bytes", async () => {
    const { begun, events } = await noised(NOISE, 1);
    const sent: string[] = [];
    await finalOf(begun, async (site) => {
      const link = linkOf(site, begun.coordinator.service);
      const noting = {
        ...link,
        sendObject: (transfer: Parameters<typeof link.sendObject>[0]) => {
          if (site.siteId === "b") sent.push(transfer.sha256);
          return link.sendObject(transfer);
        },
      };
      if (site.siteId !== "b") return runTestSite({ site, timing: CALM, link });
      const dying = fated(site, noting, { step: "send", nth: 0, when: "after" });
      try {
        return await runTestSite({ site: dying.site, timing: CALM, link: dying.link });
      } catch (error) {
        if (!(error instanceof Crash)) throw error;
        const again = await readSite(site.home);
        return runTestSite({
          site: again,
          timing: CALM,
          link: { ...linkOf(again, begun.coordinator.service), sendObject: noting.sendObject },
        });
      }
    });
    expect(sent).toHaveLength(2);
    expect(new Set(sent).size).toBe(1);
    const counted = events.find((event) => event.kind === "update-received" && event.siteId === "b");
    expect(counted?.kind === "update-received" && counted.update.sha256).toBe(sent[0]);
  });
});
