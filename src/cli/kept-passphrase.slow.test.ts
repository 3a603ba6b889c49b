/** A home that is founded where another one was: what was kept for that one is not taken for its passphrase. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it, vi } from "vitest";
import { coordinatorInit } from "./commands/coordinator-init.ts";
import { keepPassphrase, keptPassphrase } from "./kept-passphrase.ts";
import { presentPassphrase } from "./passphrase.ts";

const settings = await mkdtemp(join(tmpdir(), "consilium-settings-"));
vi.stubEnv("XDG_CONFIG_HOME", settings);
afterAll(async () => {
  vi.unstubAllEnvs();
  await rm(settings, { recursive: true, force: true });
});

it("is forgotten where a home is founded anew in its place under another", async () => {
  const home = join(settings, "coordinator");
  await keepPassphrase(home);
  vi.stubEnv("CONSILIUM_CA_PASSPHRASE", "given by the lead herself");
  const options = { home, name: "Anew", listen: "127.0.0.1:0", unencrypted: false };
  await coordinatorInit.run({ options } as never);
  vi.stubEnv("CONSILIUM_CA_PASSPHRASE", undefined);
  await expect(presentPassphrase(home, { file: undefined })).rejects.toMatchObject({ code: "passphrase-missing" });
  // Where nothing was founded, what is kept stays.
  const kept = await keepPassphrase(home);
  await expect(coordinatorInit.run({ options: { ...options, unencrypted: true } } as never)).rejects.toThrow();
  expect(await keptPassphrase(home)).toEqual(kept);
});
