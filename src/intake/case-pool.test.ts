/** One thread takes case after case; a case that fails stops none. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Worker } from "node:worker_threads";
import { afterEach, beforeEach, expect, it } from "vitest";
import { runCases } from "./case-pool.ts";
import { newRecord, readRecord } from "./case-record.ts";
import type { CaseOrder } from "./run-case.ts";

let out: string;
beforeEach(async () => {
  out = await mkdtemp(join(tmpdir(), "pool-"));
});
afterEach(() => rm(out, { recursive: true }));

const grid = { dims: [1, 1, 1] as const, affineVoxelToRas: [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1] };
const atlas = { name: "none", digest: "none", brain: { ...grid, data: new Float32Array(1) }, grid };

/** Of scans that are not there. */
function ordersOf(count: number): CaseOrder[] {
  const source = { kind: "nifti", path: join(out, "nothing.nii") } as const;
  return Array.from({ length: count }, (_, i): CaseOrder => {
    const record = { ...newRecord(`P000${i}-1`, `P000${i}`, "x"), state: "recognised" as const };
    return { out, sources: { t1: source, t1ce: source, t2: source, flair: source }, record, noHeads: false };
  });
}

it("has no thread at work any more when it fails for a record that cannot be written", {
  timeout: 60_000,
}, async () => {
  const alive = new Set<Worker>();
  const count = (worker: Worker): void => {
    alive.add(worker);
    worker.once("exit", () => alive.delete(worker));
  };
  process.on("worker", count);
  const [first, ...others] = ordersOf(400);
  await writeFile(join(out, "file"), "");
  const orders = [{ ...first, out: join(out, "file") }, ...others];
  try {
    const run = runCases(orders, { setup: { atlas }, workers: 2, onState: () => undefined });
    await expect(run).rejects.toMatchObject({ code: "folder-not-writable" });
    expect(alive.size).toBe(0);
  } finally {
    process.off("worker", count);
  }
});

it("gives each of four cases in one thread its failure, on disk as well", { timeout: 60_000 }, async () => {
  const orders = ordersOf(4);
  const records = await runCases(orders, { setup: { atlas }, workers: 1, onState: () => undefined });
  expect(records.map(({ caseId, failure }) => [caseId, failure?.towards, failure?.code])).toEqual(
    orders.map(({ record }) => [record.caseId, "converted", "file-not-found"]),
  );
  for (const { caseId } of records) expect((await readRecord(out, caseId))?.failure?.code).toBe("file-not-found");
});
