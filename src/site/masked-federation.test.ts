/** Masked rounds by the product's own sites and coordinator: the plain round's bits, whatever dies on the way. */

import { cp, rm } from "node:fs/promises";
import { create } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openCoordinator, roundsOf } from "../coordinator/index.ts";
import { writeMasking } from "../privacy/index.ts";
import { type CoordinatorLink, DirectiveSchema, MaskingOrderSchema } from "../protocol/index.ts";
import { readSite, type Site } from "./home.ts";
import { answerMaskingStep, maskUpdate } from "./masked-update.ts";
import { maskingDocumentName, readMaskingDocument } from "./masking-document.ts";
import { startShift } from "./shift.ts";
import { readRound } from "./study-progress.ts";
import { begin, dyingRun, finalOf, MASKED, stoppingRun } from "./testing/masked-suite.ts";
import { linkOf, runTestSite, temporaryFolder } from "./testing/test-site.ts";

let root: string;
let plain: string;

beforeAll(async () => {
  root = await temporaryFolder();
  plain = await finalOf(await begin(root, {}));
});
afterAll(() => rm(root, { recursive: true, force: true }));

describe("a masked federation", () => {
  it("gives the model of the plain one, and the coordinator never holds a site's own update", async () => {
    const begun = await begin(root, MASKED);
    const updates = new Set<string>();
    const stored = new Set<string>();
    begun.coordinator.onNews((news) => {
      if (news.kind === "event" && news.event.kind === "update-received") stored.add(news.event.update.sha256);
    });
    const final = await finalOf(begun, (site) =>
      runTestSite({
        site,
        link: linkOf(site, begun.coordinator.service),
        onEvent: async (event) => {
          if (event.kind !== "update-sent") return;
          expect(event.bytes).toBe(8 * (1250 + 1));
          updates.add((await readRound(site.store, begun.studyHash))?.update?.sha256 ?? "");
        },
      }),
    );
    expect(final).toBe(plain);
    expect(stored.size).toBe(6);
    expect(updates.size).toBe(6);
    for (const update of updates) expect(stored.has(update)).toBe(false);
  });

  it("gives it though a site dies, and goes on from its home (every step is in the slow test)", async () => {
    const { steps } = await dyingRun(root);
    // Five for each of two rounds, and the one that erases their secrets.
    expect(steps.filter((step) => step === "write masking")).toHaveLength(2 * 5 + 1);
    for (const [step, nth, when] of [
      ["write masking", 1, "after"],
      ["write masking", 7, "before"],
      ["send", 1, "after"],
    ] as const) {
      const { crashed, final } = await dyingRun(root, { step, nth, when });
      expect(crashed).toBe(true);
      expect(final).toBe(plain);
    }
  });

  it("gives it though the coordinator starts again between any two messages", async () => {
    const begun = await begin(root, MASKED);
    const phases = new Set<string>();
    let queue: Promise<unknown> = Promise.resolve();
    // One call at a time, and before every third message another coordinator on the same home.
    const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
      const done = queue.then(work);
      queue = done.catch(() => undefined);
      return done;
    };
    let messages = 0;
    const linkVia = (site: Site): CoordinatorLink => {
      const present = (): CoordinatorLink => linkOf(site, begun.coordinator.service);
      return {
        ...present(),
        exchange: (request) =>
          inTurn(async () => {
            if (messages++ % 3 === 2) {
              phases.add(begun.coordinator.state().phase.kind);
              await begun.coordinator.close();
              begun.coordinator = await openCoordinator({ home: begun.home });
            }
            return present().exchange(request);
          }),
        sendObject: (transfer) => inTurn(() => present().sendObject(transfer)),
        fetchObject: (transfer) => inTurn(() => present().fetchObject(transfer)),
      };
    };
    expect(await finalOf(begun, (site) => runTestSite({ site, link: linkVia(site) }))).toBe(plain);
    expect([...phases]).toEqual(expect.arrayContaining(["agreeing", "collecting", "unmasking"]));
  });

  it("sums the survivors where a site drops after it shared its secrets, as the plain round does", async () => {
    const rounds = { count: 1, quorum: 2 };
    const [masked, open] = await Promise.all([MASKED, {}].map((privacy) => withoutC(privacy, rounds)));
    expect(masked.final).toBe(open.final);
    expect(masked.final).not.toBe(plain);
    expect(masked.leftOut).toEqual(["c"]);
  });

  async function withoutC(privacy: object, rounds: object) {
    const begun = await begin(root, privacy, rounds);
    const final = await finalOf(begun, stoppingRun(begun, ["c"]));
    const leftOut = roundsOf(begun.coordinator.state().study)[0].leftOut.map(({ siteId }) => siteId);
    return { final, leftOut };
  }

  it("gives no second sum of a round that was opened: no other list is signed, no share revealed, no mask made anew", async () => {
    const begun = await begin(root, MASKED, { count: 1 });
    const [{ home }] = begun.sites;
    // As it is before its secrets are erased.
    await finalOf(begun, (site) =>
      runTestSite({
        site,
        link: linkOf(site, begun.coordinator.service),
        onEvent: async (event) => {
          if (event.kind === "done" && site.home === home) await cp(home, `${home}-opened`, { recursive: true });
        },
      }),
    );
    const { studyHash } = begun;
    const coordinator = await openCoordinator({ home: begun.home });
    const site = await readSite(`${home}-opened`);
    const shift = await startShift({ site, link: linkOf(site, coordinator.service), productVersion: "test" });
    const before = await readMaskingDocument(site.store, studyHash);
    const ask = (step: string, order: object, round = 1) => {
      const payload = new TextEncoder().encode(writeMasking(order));
      const value = create(MaskingOrderSchema, { studyHash, round, step, payload });
      return answerMaskingStep(shift, create(DirectiveSchema, { kind: { case: "masking", value } }), value);
    };
    const otherList = { survivors: ["a", "b"], dropped: ["c"] };
    await expect(ask("signature", { list: otherList })).rejects.toThrow(/masking-message-invalid.*after revealed/s);
    await expect(ask("reveal", { list: otherList, signatures: [] })).rejects.toThrow(/masking-second-list/);
    await expect(ask("keys", {}, 0)).rejects.toThrow(/masking-round-revealed/);
    // Asked again as before, it answers as before: nothing new is on disk.
    await ask("keys", {});
    expect(await readMaskingDocument(site.store, studyHash)).toEqual(before);
    expect(Object.keys(before?.answers ?? {})).toEqual(["keys", "reveal", "shares", "signature"]);

    // The same sum under another name: a next round from the same model, as if this one had failed.
    await ask("keys", {}, 2);
    const from = before?.from ?? "";
    expect((await readMaskingDocument(site.store, studyHash))?.revealedFrom).toEqual([from]);
    const maskFrom = (globalSha256: string, round = 2) =>
      maskUpdate(shift, { studyHash, round, globalSha256, masking: new Uint8Array() }, { trainingCases: 6 });
    await expect(maskFrom(from)).rejects.toThrow(/masking-round-revealed.*helped to open/s);
    // Of another model it would be masked, once this site has shared its secrets.
    const other = "0".repeat(64);
    await expect(maskFrom(other)).rejects.toThrow(/masking-message-invalid.*after advertised/s);
    // A sum from another model, opened in between, does not make the first be forgotten.
    const second = await readMaskingDocument(site.store, studyHash);
    const reveal = before?.answers.reveal ?? "";
    await site.store.write(maskingDocumentName(studyHash), { ...second, answers: { reveal }, from: other });
    await ask("keys", {}, 3);
    for (const model of [from, other]) {
      await expect(maskFrom(model, 3)).rejects.toThrow(/masking-round-revealed.*helped to open/s);
    }
    await expect(maskFrom("1".repeat(64), 3)).rejects.toThrow(/masking-message-invalid.*after advertised/s);
    await shift.out.close();
    await coordinator.close();
  });

  it("is refused a threshold that is no majority of the roster", async () => {
    await expect(begin(root, { secureAggregation: { threshold: 4 } })).rejects.toThrow(/threshold/);
  });
});
