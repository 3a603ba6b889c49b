/** Studies of three sites, one behind a real proxy that ends TLS: the same bits, and a proxy that reads nothing. */
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Passed } from "../src/protocol/testing/tls-ending-proxy.ts";
import type { SiteEvent } from "../src/site/events.ts";
import { readSiteLog, siteStatus } from "../src/site/site-status.ts";
import { type ServedCoordinator, serveCoordinator, submit } from "../src/site/testing/federation-suite.ts";
import { tinyStudy } from "../src/site/testing/test-site.ts";
import {
  finalOf,
  inMemory,
  run,
  type SealedFederation,
  STUDY,
  sealedFederation,
  secretsOf,
} from "./sealed/sealed-suite.ts";

const MASKED = tinyStudy({
  rounds: { count: 2 },
  aggregation: { algorithm: "fedavg", weightBy: "cases", precisionBits: 24 },
  privacy: { secureAggregation: { threshold: 3 } },
});

let made: SealedFederation;
beforeEach(async () => {
  made = await sealedFederation();
});
afterEach(() => made.close());

test("a study with a site behind the proxy ends with the bits of the same study without it", async () => {
  const expected = await inMemory(made.root, STUDY);
  await submit(made.served.coordinator, STUDY);
  const events: SiteEvent[] = [];
  const [a, b, c] = await Promise.all(
    made.sites.map((site) => run(site, site === made.behind ? (event) => events.push(event) : undefined)),
  );
  expect(finalOf([a, b, c])).toBe(expected);

  const seen = made.proxy.seen();
  expect(seen.includes("POST /sealed ")).toBe(true);
  for (const secret of await secretsOf(made, [expected]))
    expect([secret, seen.includes(secret)]).toEqual([secret, false]);

  expect(events[0]).toEqual({ kind: "mutual-tls-off", address: made.proxy.address });
  const { sites } = made.served.coordinator.status();
  expect(sites.map(({ id, mutualTls }) => [id, mutualTls])).toEqual([
    ["a", true],
    ["b", true],
    ["c", false],
  ]);
  expect(made.news.filter(({ kind }) => kind === "way")).toEqual([{ kind: "way", siteId: "c", mutualTls: false }]);
  expect((await siteStatus(made.behind.home)).membership.mutualTls).toBe(false);
  const log = await readSiteLog(made.behind.home);
  const [refused, ...sealed] = log;
  expect(refused).toMatchObject({ what: "certificate request", to: made.proxy.address });
  expect(sealed[0].what).toBe("certificate request");
  for (const { what, to } of sealed) if (what !== "erasure") expect(to).toContain("mutual TLS is off");
});

test("masked rounds go through it as well", async () => {
  const expected = await inMemory(made.root, MASKED);
  await submit(made.served.coordinator, MASKED);
  expect(finalOf(await Promise.all(made.sites.map((site) => run(site))))).toBe(expected);
  const seen = made.proxy.seen();
  for (const secret of await secretsOf(made, [expected]))
    expect([secret, seen.includes(secret)]).toEqual([secret, false]);
});

test("a coordinator that starts anew is found again, and what the proxy kept is taken by neither", async () => {
  const expected = await inMemory(made.root, STUDY);
  await submit(made.served.coordinator, STUDY);
  const kept: Passed[] = [];
  made.proxy.meddle.request = (passed) => {
    kept.push(passed);
    return passed;
  };
  let restarted: Promise<void> | undefined;
  let later: ServedCoordinator | undefined;
  const restart = async (): Promise<void> => {
    await made.served.close();
    later = await serveCoordinator(made.home, { allowSealed: true });
    made.closing.push(later.close);
  };
  const outcomes = await Promise.all(
    made.sites.map((site) =>
      run(site, (event) => {
        if (site === made.behind && event.kind === "progress" && event.round === 2) restarted ??= restart();
      }),
    ),
  );
  await restarted;
  expect(finalOf(outcomes)).toBe(expected);
  const before = JSON.stringify(later?.coordinator.state());
  const { head } = later?.coordinator.journal ?? {};
  const headBefore = head?.();
  const answers = await Promise.all(
    kept.filter(({ method }) => method === "POST").map((passed) => made.proxy.repeat(passed, made.proxy.upstream)),
  );
  const statuses = new Set(answers.map(({ status }) => status));
  // From before the restart: no such key. From after it: a sealed refusal.
  expect([...statuses].sort()).toEqual([200, 409]);
  expect(JSON.stringify(later?.coordinator.state())).toBe(before);
  expect(head?.()).toEqual(headBefore);
});
