/** The privacy ledger over a site's own store, in files: a torn line was never paid for, an altered one is noticed. */
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { openPrivacyLedger, spentIn } from "../privacy/index.ts";
import { openFileStore } from "./file-store.ts";

let home = "";

beforeAll(() => {
  home = mkdtempSync(join(tmpdir(), "consilium-ledger-"));
});

afterAll(() => rmSync(home, { recursive: true, force: true }));

const budget = { epsilon: 5, delta: 1e-6, accountant: "rdp" } as const;
const work = (round: number) => ({
  studyHash: "c".repeat(64),
  round,
  attempt: 0,
  event: { kind: "gaussian", noiseMultiplier: 3 } as const,
});

it("keeps a privacy ledger through restarts, torn lines and an alteration", async () => {
  const ledger = await openPrivacyLedger(await openFileStore(home));
  await ledger.setBudget(budget, 1);
  await ledger.pay(work(0), 2);
  const file = join(home, "privacy-ledger.jsonl");
  appendFileSync(file, '{"kind":"work","index":2,"torn');
  const again = await openPrivacyLedger(await openFileStore(home));
  await again.pay(work(1), 3);
  expect(again.current().work).toHaveLength(2);
  expect(spentIn(again.current(), budget).epsilon).toBeGreaterThan(2);
  await expect(again.pay({ ...work(2), event: { kind: "gaussian", noiseMultiplier: 0.5 } }, 4)).rejects.toThrow(
    /privacy-budget-exceeded/,
  );
  const text = readFileSync(file, "utf8");
  expect(text.trimEnd().split("\n")).toHaveLength(3);
  writeFileSync(file, text.replace('"noiseMultiplier":3', '"noiseMultiplier":9'));
  await expect(openPrivacyLedger(await openFileStore(home))).rejects.toThrow(/journal-corrupt/);
});
