import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { openSecrets } from "./secrets.ts";

it("secrets made at the same time are all kept, now and after a restart", async () => {
  const folder = await mkdtemp(join(tmpdir(), "consilium-secrets-"));
  try {
    const secrets = await openSecrets(folder);
    const ids = ["a", "b", "c", "d"];
    const made = await Promise.all(ids.map((id) => secrets.create(id, 1000, 0)));
    expect(ids.map((id) => secrets.get(id))).toEqual(made);
    const reopened = await openSecrets(folder);
    expect(ids.map((id) => reopened.get(id))).toEqual(made);
  } finally {
    await rm(folder, { recursive: true });
  }
});
