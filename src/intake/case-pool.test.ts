/** One thread takes case after case; a case that fails stops none. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { runCases } from "./case-pool.ts";
import { newRecord, readRecord } from "./case-record.ts";
import type { CaseOrder } from "./run-case.ts";

it("gives each of four cases in one thread its failure, on disk as well", { timeout: 60_000 }, async () => {
  const out = await mkdtemp(join(tmpdir(), "pool-"));
  const source = { kind: "nifti", path: join(out, "nothing.nii") } as const;
  const orders = Array.from({ length: 4 }, (_, i): CaseOrder => {
    const record = { ...newRecord(`P000${i}-1`, `P000${i}`, "x"), state: "recognised" as const };
    return { out, sources: { t1: source, t1ce: source, t2: source, flair: source }, record, noHeads: false };
  });
  const grid = { dims: [1, 1, 1] as const, affineVoxelToRas: [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1] };
  const atlas = { name: "none", digest: "none", brain: { ...grid, data: new Float32Array(1) }, grid };
  const records = await runCases(orders, { setup: { atlas }, workers: 1, onState: () => undefined });
  expect(records.map(({ caseId, failure }) => [caseId, failure?.towards, failure?.code])).toEqual(
    orders.map(({ record }) => [record.caseId, "converted", "file-not-found"]),
  );
  for (const { caseId } of records) expect((await readRecord(out, caseId))?.failure?.code).toBe("file-not-found");
  await rm(out, { recursive: true });
});
