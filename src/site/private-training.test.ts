/** Rounds with patient-level privacy by the product's own sites: paid for once, made once, and sent again as made. */
import { readFileSync, writeFileSync } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ConsiliumError } from "../base/index.ts";
import type { Site } from "./home.ts";
import { readSite } from "./home.ts";
import { privacyAccount, setPrivacyBudget } from "./privacy-account.ts";
import { approveStudy } from "./review-studies.ts";
import { readRound } from "./study-progress.ts";
import { Crash, fated } from "./testing/crash-points.ts";
import { type ScriptedCoordinator, scriptedCoordinator } from "./testing/scripted-coordinator.ts";
import {
  joinTestSite,
  linkOf,
  madeUpCases,
  runTestSite,
  temporaryFolder,
  tinyStudy,
  UNTOLD,
} from "./testing/test-site.ts";

const PATIENT_LEVEL = { clipNorm: 1, noiseMultiplier: 2, samplingRate: 1, delta: 1e-5 };
const study = (changes: object = {}, count = 2) =>
  tinyStudy({ rounds: { count }, privacy: { patientLevel: { ...PATIENT_LEVEL, ...changes } } });
/** Six steps of noise multiplier 2. */
const AMPLE = { epsilon: 10, delta: 1e-5, accountant: "rdp" } as const;

let root: string;
let runs = 0;
beforeAll(async () => {
  root = await temporaryFolder();
});
afterAll(() => rm(root, { recursive: true, force: true }));

interface Begun {
  readonly coordinator: ScriptedCoordinator;
  readonly site: Site;
}

async function begin(studyOf = study()): Promise<Begun> {
  const folder = join(root, `run-${runs++}`);
  await mkdir(folder);
  const coordinator = await scriptedCoordinator(studyOf, ["a"]);
  const { service } = coordinator;
  const invitation = coordinator.invitation("a");
  const home = await joinTestSite({ root: folder, siteId: "a", invitation, service, cases: madeUpCases("a", 6) });
  return { coordinator, site: await readSite(home) };
}

describe("a site's private round", () => {
  it("is paid for before it is sent, and no loss leaves", async () => {
    const { coordinator, site } = await begin();
    await setPrivacyBudget(site.home, AMPLE);
    await runTestSite({ site, link: linkOf(site, coordinator.service) });
    const account = await privacyAccount(site.home);
    expect(account.studies).toMatchObject([{ name: "Tiny", rounds: 2, unprotectedRounds: 0 }]);
    expect(account.spent?.epsilon).toBeGreaterThan(5);
    expect(account.spent?.epsilon).toBeCloseTo(account.studies[0].epsilon ?? 0, 12);
    const updates = coordinator.received.flatMap(({ message }) =>
      message.kind.case === "update" ? [message.kind.value] : [],
    );
    expect(updates).toHaveLength(2);
    for (const { meanLoss } of updates) expect(meanLoss).toBeUndefined();
  });

  it("tells its loss where the study has no noise, and is named beside the account (control)", async () => {
    const { coordinator, site } = await begin(tinyStudy({ rounds: { count: 2 } }));
    await runTestSite({ site, link: linkOf(site, coordinator.service) });
    const updates = coordinator.received.flatMap(({ message }) =>
      message.kind.case === "update" ? [message.kind.value] : [],
    );
    for (const { meanLoss } of updates) expect(meanLoss).toBeGreaterThan(0);
    expect((await privacyAccount(site.home)).studies).toMatchObject([{ rounds: 0, unprotectedRounds: 2 }]);
  });

  it("sends the update that it made after a kill, and never draws its noise anew", async () => {
    const steps = await stepsOf();
    const commit = steps.flatMap((step, i) => (step === "write round" ? [i] : []))[1];
    const send = steps.indexOf("send");
    for (const plan of [
      { at: commit, when: "after" },
      { at: send, when: "before" },
      { at: send, when: "after" },
    ] as const) {
      const { coordinator, site } = await begin();
      await setPrivacyBudget(site.home, AMPLE);
      const dying = fated(site, linkOf(site, coordinator.service), plan);
      await expect(runTestSite({ site: dying.site, link: dying.link, timing: UNTOLD })).rejects.toThrow(Crash);
      const made = (await readRound(site.store, coordinator.studyHash))?.update?.sha256;
      expect(made).toBeDefined();
      const again = await readSite(site.home);
      await runTestSite({ site: again, link: linkOf(again, coordinator.service) });
      expect(coordinator.updates.get("1 a")).toBe(made);
      expect((await privacyAccount(site.home)).studies[0].rounds).toBe(2);
    }
  });

  it("is paid once where the site dies between payment and update, of which nothing had left", async () => {
    const steps = await stepsOf();
    const begins = steps.indexOf("write round");
    const pays = steps.findIndex((step, i) => step === "append" && i > begins);
    const { coordinator, site } = await begin();
    await setPrivacyBudget(site.home, AMPLE);
    const dying = fated(site, linkOf(site, coordinator.service), { at: pays, when: "after" });
    await expect(runTestSite({ site: dying.site, link: dying.link, timing: UNTOLD })).rejects.toThrow(Crash);
    const again = await readSite(site.home);
    await runTestSite({ site: again, link: linkOf(again, coordinator.service) });
    expect((await privacyAccount(site.home)).studies[0].rounds).toBe(2);
  });

  it("is refused from a second model once its update is made", async () => {
    const steps = await stepsOf();
    const { coordinator, site } = await begin();
    await setPrivacyBudget(site.home, AMPLE);
    const dying = fated(site, linkOf(site, coordinator.service), { at: steps.indexOf("send"), when: "before" });
    await expect(runTestSite({ site: dying.site, link: dying.link, timing: UNTOLD })).rejects.toThrow(Crash);
    coordinator.override = (_, usual) =>
      usual.kind.case === "train"
        ? { ...usual, kind: { case: "train", value: { ...usual.kind.value, globalSha256: "f".repeat(64) } } }
        : usual;
    const stop = new AbortController();
    const errors: ConsiliumError[] = [];
    const again = await readSite(site.home);
    await runTestSite({
      site: again,
      link: linkOf(again, coordinator.service),
      signal: stop.signal,
      onEvent: (event) => {
        if (event.kind === "failure") errors.push(event.error);
        if (errors.length > 0) stop.abort();
      },
    });
    expect(errors[0]?.code).toBe("privacy-work-differs");
    expect(coordinator.updates.size).toBe(0);
  });
});

let undisturbed: readonly string[] | undefined;

/** What an undisturbed run does, step by step. */
async function stepsOf(): Promise<readonly string[]> {
  if (undisturbed !== undefined) return undisturbed;
  const { coordinator, site } = await begin();
  await setPrivacyBudget(site.home, AMPLE);
  const watched = fated(site, linkOf(site, coordinator.service));
  await runTestSite({ site: watched.site, link: watched.link, timing: UNTOLD });
  undisturbed = watched.steps;
  return undisturbed;
}

describe("a hospital's budget", () => {
  it("ends the work, whatever the coordinator asks and the reviewer approved", async () => {
    const { coordinator, site } = await begin();
    // Enough for the three steps of one round, not for six.
    await setPrivacyBudget(site.home, { epsilon: 5.5, delta: 1e-5, accountant: "rdp" });
    const errors: ConsiliumError[] = [];
    const stop = new AbortController();
    await runTestSite({
      site,
      link: linkOf(site, coordinator.service),
      signal: stop.signal,
      onEvent: (event) => {
        if (event.kind === "failure") errors.push(event.error);
        if (errors.length > 1) stop.abort();
      },
    });
    expect(errors.map(({ code }) => code)).toEqual(["privacy-budget-exceeded", "privacy-budget-exceeded"]);
    expect([...coordinator.updates.keys()]).toEqual(["1 a"]);
    const { studies, spent } = await privacyAccount(site.home);
    expect(studies[0].rounds).toBe(1);
    expect(spent?.epsilon).toBeLessThanOrEqual(5.5);
  });

  it.each([
    ["a private study without a budget", study(), undefined, "privacy-budget-unset"],
    ["a private study that would exceed it", study({}, 50), AMPLE, "privacy-budget-exceeded"],
    ["a study without noise where there is one", tinyStudy(), AMPLE, "privacy-budget-exceeded"],
    ["a private study that fits", study(), AMPLE, undefined],
    ["a study without noise where there is none", tinyStudy(), undefined, undefined],
  ] as const)("at approval: %s", async (_, studyOf, budget, refused) => {
    const { coordinator, site } = await begin(studyOf);
    if (budget !== undefined) await setPrivacyBudget(site.home, budget);
    const stop = new AbortController();
    let outcome: string | undefined = "never asked";
    await runTestSite({
      site,
      link: linkOf(site, coordinator.service),
      signal: stop.signal,
      onEvent: async (event) => {
        if (event.kind !== "approval-sent" || outcome !== "never asked") return;
        outcome = await approveStudy({
          home: site.home,
          study: coordinator.studyHash,
          decision: "approve",
          productVersion: "test",
          dial: () => linkOf(site, coordinator.service),
        }).then(
          () => undefined,
          (error: ConsiliumError) => error.code,
        );
        stop.abort();
      },
    });
    expect(outcome).toBe(refused);
  });

  it("cannot be had back by editing the ledger", async () => {
    const { coordinator, site } = await begin();
    await setPrivacyBudget(site.home, AMPLE);
    await runTestSite({ site, link: linkOf(site, coordinator.service) });
    const file = join(site.home, "privacy-ledger.jsonl");
    writeFileSync(file, readFileSync(file, "utf8").replace('"noiseMultiplier":2', '"noiseMultiplier":9'));
    await expect(privacyAccount(site.home)).rejects.toThrow(/journal-corrupt/);
    const again = await readSite(site.home);
    await expect(runTestSite({ site: again, link: linkOf(again, coordinator.service) })).rejects.toThrow(
      /journal-corrupt/,
    );
  });
});
