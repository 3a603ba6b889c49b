import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { privacySpent } from "./accounting/epsilon.ts";
import {
  type LedgerStore,
  lineForBudget,
  lineForWork,
  type NoisyWork,
  openPrivacyLedger,
  PRIVACY_LEDGER,
  type PrivacyBudget,
  readLedger,
  spentIn,
} from "./privacy-ledger.ts";

const BUDGET: PrivacyBudget = { epsilon: 4, delta: 1e-5, accountant: "rdp" };
const STUDY = "a".repeat(64);
const OTHER_STUDY = "b".repeat(64);

function work(round: number, studyHash = STUDY, count = 100): NoisyWork {
  const step = { kind: "poissonSampled", samplingRate: 0.02, event: { kind: "gaussian", noiseMultiplier: 1 } } as const;
  return { studyHash, round, attempt: 0, event: { kind: "selfComposed", count, event: step } };
}

function memoryStore(lines: string[] = []): LedgerStore & { readonly kept: string[] } {
  return {
    kept: lines,
    append: async (log, line) => {
      expect(log).toBe(PRIVACY_LEDGER);
      lines.push(line);
    },
    lines: async () => [...lines],
  };
}

describe("the privacy ledger", () => {
  it("pays until the budget would be exceeded, over all studies, and leaves no entry for what it refuses", async () => {
    const store = memoryStore();
    const ledger = await openPrivacyLedger(store);
    await ledger.setBudget(BUDGET, 1);
    let paid = 0;
    let refusal = "";
    for (let round = 0; refusal === ""; round++) {
      const each = work(round, round % 2 === 0 ? STUDY : OTHER_STUDY, 200);
      await ledger.pay(each, 2).then(
        () => paid++,
        (error: Error) => (refusal = error.message),
      );
    }
    expect(refusal).toMatch(/privacy-budget-exceeded/);
    const cost = (count: number): number => privacySpent(work(0, STUDY, count).event, 1e-5, "rdp").epsilon;
    expect(cost(200 * paid)).toBeLessThanOrEqual(4);
    expect(cost(200 * (paid + 1))).toBeGreaterThan(4);
    expect(paid).toBeGreaterThan(1);
    expect(store.kept).toHaveLength(1 + paid);
    expect(spentIn(ledger.current(), BUDGET).epsilon).toBeCloseTo(cost(200 * paid), 12);
    // Smaller work may still fit; a larger budget lets the refused go on.
    await ledger.setBudget({ ...BUDGET, epsilon: 8 }, 3);
    await ledger.pay(work(paid, OTHER_STUDY, 200), 4);
  });

  it("recomputes epsilon from the events: other accountants answer for the same past", async () => {
    const ledger = await openPrivacyLedger(memoryStore());
    await ledger.setBudget(BUDGET, 1);
    await ledger.pay(work(0), 2);
    const byRenyi = spentIn(ledger.current(), { delta: 1e-5, accountant: "rdp" }).epsilon;
    const byLosses = spentIn(ledger.current(), { delta: 1e-5, accountant: "pld" }).epsilon;
    expect(byLosses).toBeLessThan(byRenyi);
    expect(spentIn(ledger.current(), { delta: 1e-8, accountant: "rdp" }).epsilon).toBeGreaterThan(byRenyi);
  });

  it("counts the same work once, across restarts, and refuses other work under its name", async () => {
    const store = memoryStore();
    const first = await openPrivacyLedger(store);
    await first.setBudget(BUDGET, 1);
    await Promise.all([first.pay(work(0), 2), first.pay(work(0), 3)]);
    const second = await openPrivacyLedger(store);
    await second.pay(work(0), 4);
    expect(store.kept).toHaveLength(2);
    await expect(second.pay(work(0, STUDY, 101), 5)).rejects.toThrow(/privacy-work-differs/);
    await second.pay({ ...work(0), attempt: 1 }, 6);
    expect(store.kept).toHaveLength(3);
  });

  it("allows nothing without a budget, nothing that is not private, and no unknown event", async () => {
    const ledger = await openPrivacyLedger(memoryStore());
    await expect(ledger.pay(work(0), 1)).rejects.toThrow(/privacy-budget-unset/);
    await ledger.setBudget({ ...BUDGET, epsilon: 1e9 }, 2);
    await expect(ledger.pay({ ...work(0), event: { kind: "nonPrivate" } }, 3)).rejects.toThrow(
      /privacy-budget-exceeded/,
    );
    const unknown = { ...work(0), event: { kind: "laplace" } } as unknown as NoisyWork;
    await expect(ledger.pay(unknown, 3)).rejects.toThrow(/privacy-event-unknown/);
    for (const bad of [
      { ...BUDGET, epsilon: 0 },
      { ...BUDGET, delta: 1 },
      { ...BUDGET, epsilon: Number.NaN },
    ]) {
      await expect(ledger.setBudget(bad, 4)).rejects.toThrow(/privacy-parameters/);
    }
    await ledger.pay(work(0), 5);
  });

  it("refuses a chain in which any line was altered, removed, swapped or repeated", () => {
    const lines: string[] = [];
    lines.push(lineForBudget(readLedger(lines), BUDGET, 1));
    for (let round = 0; round < 4; round++) lines.push(lineForWork(readLedger(lines), work(round), 2) ?? "");
    expect(readLedger(lines).work).toHaveLength(4);
    const position = fc.integer({ min: 0, max: lines.length - 2 });
    fc.assert(
      fc.property(position, fc.constantFrom("remove", "swap", "repeat", "alter"), (at, how) => {
        const changed = [...lines];
        if (how === "remove") changed.splice(at, 1);
        if (how === "swap") changed.splice(at, 2, lines[at + 1], lines[at]);
        if (how === "repeat") changed.splice(at, 0, lines[at]);
        // Valid by itself: the next line shows it.
        if (how === "alter") changed[at] = lines[at].replace(/"timeMs":\d/, '"timeMs":9');
        expect(() => readLedger(changed)).toThrow(/journal-corrupt/);
      }),
    );
    expect(() => readLedger([...lines, "{}"])).toThrow(/journal-corrupt.*line 6/);
    expect(() => readLedger(["not json"])).toThrow(/journal-corrupt.*line 1/);
  });

  it("pays nothing more after a write that failed, until it is read again", async () => {
    const store = memoryStore();
    let broken = false;
    const ledger = await openPrivacyLedger({
      ...store,
      append: async (log, line) => {
        await store.append(log, line);
        if (broken) throw new Error("power was lost after the write");
      },
    });
    await ledger.setBudget(BUDGET, 1);
    broken = true;
    await expect(ledger.pay(work(0), 2)).rejects.toThrow("power was lost");
    broken = false;
    await expect(ledger.pay(work(1), 3)).rejects.toThrow("power was lost");
    const again = await openPrivacyLedger(store);
    expect(again.current().work).toHaveLength(1);
    await again.pay(work(0), 4);
    await again.pay(work(1), 5);
    expect(again.current().work).toHaveLength(2);
  });
});
