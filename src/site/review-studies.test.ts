import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ConsiliumError } from "../base/index.ts";
import { openSite, readSite, type Site } from "./home.ts";
import { approveStudy, type ReviewOptions, reviewStudies } from "./review-studies.ts";
import { findReview } from "./reviews.ts";
import { runSite } from "./run-site.ts";
import { siteStatus } from "./site-status.ts";
import { type ScriptedCoordinator, scriptedCoordinator } from "./testing/scripted-coordinator.ts";
import { joinTestSite, linkOf, madeUpCases, QUICK, temporaryFolder, tinyStudy } from "./testing/test-site.ts";
import { tinyWork } from "./testing/tiny-work.ts";

let root: string;
let coordinator: ScriptedCoordinator;
let home: string;
let options: ReviewOptions;
beforeEach(async () => {
  root = await temporaryFolder();
  ({ coordinator, home, options } = await offered());
});
afterEach(() => rm(root, { recursive: true, force: true }));

async function offered(
  study = tinyStudy(),
  folder = root,
): Promise<{ coordinator: ScriptedCoordinator; home: string; options: ReviewOptions }> {
  const made = await scriptedCoordinator(study, ["a"]);
  const { service } = made;
  const joined = await joinTestSite({
    root: folder,
    siteId: "a",
    invitation: made.invitation("a"),
    service,
    cases: madeUpCases("a", 6),
  });
  const dial = (site: Site): ReturnType<typeof linkOf> => linkOf(site, service);
  return { coordinator: made, home: joined, options: { home: joined, productVersion: "test", dial } };
}

const approvals = (): unknown[] =>
  coordinator.received.flatMap(({ message: { kind } }) => (kind.case === "approval" ? [kind.value] : []));

describe("reviewStudies", () => {
  it("fetches what is offered and says in words what it is and who takes part", async () => {
    const { reviews, asked, siteId } = await reviewStudies(options);
    expect([asked, siteId]).toEqual(["by this command", "a"]);
    expect(reviews).toHaveLength(1);
    expect(reviews[0].studyHash).toBe(coordinator.studyHash);
    expect(reviews[0].text).toContain("What leaves this site");
    expect(reviews[0].roster).toEqual([{ siteId: "a", keySha256: (await readSite(home)).keySha256 }]);
    expect(reviews[0].decision).toBeUndefined();
    expect(approvals()).toEqual([]);
  });

  it("shows what is known where the coordinator is away", async () => {
    await reviewStudies(options);
    coordinator.failures.push(
      new ConsiliumError("unreachable", { subject: "c", expected: "a", actual: "b", hint: "c" }),
    );
    const { reviews, asked } = await reviewStudies(options);
    expect(reviews).toHaveLength(1);
    expect(asked).toMatchObject({ code: "unreachable" });
  });
});

describe("approveStudy", () => {
  it("by hash, beginning of hash or name keeps the decision and sends it with the roster", async () => {
    for (const study of [coordinator.studyHash, coordinator.studyHash.slice(0, 8), "Tiny"]) {
      await reviewStudies(options);
      const { sent, decision } = await approveStudy({ ...options, study, decision: "approve" });
      expect([sent, decision.approved]).toEqual(["by this command", true]);
    }
    const roster = [expect.objectContaining({ siteId: "a", keySha256: (await readSite(home)).keySha256 })];
    expect(approvals()[0]).toMatchObject({ studyHash: coordinator.studyHash, approved: true, roster });
    expect((await siteStatus(home)).studies).toMatchObject([{ decision: "approved" }]);
  });

  it("sends a refusal with its reason", async () => {
    await reviewStudies(options);
    await approveStudy({ ...options, study: "Tiny", decision: "refuse", reason: "no ethics vote yet" });
    expect(approvals()).toMatchObject([{ approved: false, reason: "no ethics vote yet" }]);
    expect((await siteStatus(home)).studies).toMatchObject([{ decision: "refused" }]);
  });

  it("is refused for a study that nobody offered, and names those that were", async () => {
    const unknown = approveStudy({ ...options, study: "Tiny", decision: "approve" });
    await expect(unknown).rejects.toMatchObject({ code: "study-unknown", actual: "none that this site has heard of" });
    await reviewStudies(options);
    const other = approveStudy({ ...options, study: "Huge", decision: "approve" });
    await expect(other).rejects.toMatchObject({
      code: "study-unknown",
      expected: expect.stringContaining('"Tiny"'),
      actual: "none of them",
    });
  });

  it("is refused for a name that two studies have, until the hash tells which", async () => {
    const { reviews } = await reviewStudies(options);
    const twins = [reviews[0], { ...reviews[0], studyHash: `0${reviews[0].studyHash.slice(1)}` }];
    expect(() => findReview(twins, "Tiny")).toThrow("got 2 that it may mean");
    expect(findReview(twins, twins[1].studyHash.slice(0, 6))).toBe(twins[1]);
  });

  it("is on disk before it is sent: the next conversation sends it where the coordinator was away", async () => {
    await reviewStudies(options);
    coordinator.failures.push(
      new ConsiliumError("unreachable", { subject: "c", expected: "a", actual: "b", hint: "c" }),
    );
    const { sent } = await approveStudy({ ...options, study: "Tiny", decision: "approve" });
    expect(sent).toMatchObject({ code: "unreachable" });
    expect(approvals()).toEqual([]);
    await reviewStudies(options);
    expect(approvals()).toMatchObject([{ approved: true }]);
  });

  it("is sent by the running site where one runs", async () => {
    const site = await openSite(home);
    const stop = new AbortController();
    const link = linkOf(site, coordinator.service);
    const events: string[] = [];
    let reviewed: () => void = () => undefined;
    const offeredToRunning = new Promise<void>((resolve) => {
      reviewed = resolve;
    });
    const running = runSite({
      site,
      link,
      openWork: tinyWork(),
      productVersion: "test",
      timing: QUICK,
      signal: stop.signal,
      onEvent: ({ kind }) => {
        events.push(kind);
        if (kind === "review") reviewed();
      },
    });
    await offeredToRunning;
    expect(await siteStatus(home)).toMatchObject({ running: true });
    expect((await reviewStudies(options)).asked).toBe("by the running site");
    const { sent } = await approveStudy({ ...options, study: "Tiny", decision: "approve" });
    expect(sent).toBe("by the running site");
    expect(await running).toMatchObject({ kind: "done" });
    expect(events).toContain("approval-sent");
    await site.close();
  });

  it("is refused where masks would need more sites than take part", async () => {
    const folder = await temporaryFolder();
    const made = await offered(tinyStudy({ privacy: { secureAggregation: { threshold: 2 } } }), folder);
    const { reviews } = await reviewStudies(made.options);
    expect(reviews[0].refusal).toMatchObject({ code: "study-invalid" });
    await expect(approveStudy({ ...made.options, study: "Tiny", decision: "approve" })).rejects.toMatchObject({
      code: "study-invalid",
    });
    await rm(folder, { recursive: true });
  });

  it("is refused where the patch is larger than this site's volumes", async () => {
    const folder = await temporaryFolder();
    const training = { ...tinyStudy().training, patch: [256, 8, 8] };
    const made = await offered(tinyStudy({ training }), folder);
    await reviewStudies(made.options);
    const approving = approveStudy({ ...made.options, study: "Tiny", decision: "approve" });
    await expect(approving).rejects.toMatchObject({
      code: "patch-too-large",
      expected: "at most 240 x 240 x 155 voxels at 1 mm",
    });
    await rm(folder, { recursive: true });
  });

  it("is not read from a document that was damaged", async () => {
    await reviewStudies(options);
    await approveStudy({ ...options, study: "Tiny", decision: "refuse" });
    await writeFile(join(home, "decision", `${coordinator.studyHash}.json`), "{}");
    await expect(siteStatus(home)).rejects.toMatchObject({ code: "home-invalid" });
  });
});
