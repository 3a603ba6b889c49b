import { mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { forgetPassphrase, keepPassphrase, keptPassphrase } from "./kept-passphrase.ts";
import { foundingPassphrase } from "./passphrase.ts";

let settings = "";
beforeEach(async () => {
  settings = await mkdtemp(join(tmpdir(), "consilium-settings-"));
  vi.stubEnv("XDG_CONFIG_HOME", settings);
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(settings, { recursive: true, force: true });
});

it("is made once for a home, for this user alone, outside of it, and forgotten when asked", async () => {
  const home = join(settings, "homes", "coordinator");
  expect(await keptPassphrase(home)).toBeUndefined();
  const made = await keepPassphrase(home);
  expect(made.passphrase).toMatch(/^[\w-]{32}$/);
  expect(made.file.startsWith(home)).toBe(false);
  expect((await stat(made.file)).mode & 0o077).toBe(0);
  expect(await keepPassphrase(home)).toEqual(made);
  expect(await keptPassphrase(home)).toEqual(made);
  expect((await keepPassphrase(join(settings, "homes", "other"))).passphrase).not.toBe(made.passphrase);
  await forgetPassphrase(home);
  expect(await keptPassphrase(home)).toBeUndefined();
});

it("is made only where nobody gave one", async () => {
  const home = join(settings, "coordinator");
  vi.stubEnv("CONSILIUM_CA_PASSPHRASE", "given by the lead herself");
  expect(await foundingPassphrase(home, { file: undefined })).toEqual({ passphrase: "given by the lead herself" });
  expect(await keptPassphrase(home)).toBeUndefined();
  vi.stubEnv("CONSILIUM_CA_PASSPHRASE", undefined);
  expect(await foundingPassphrase(home, { file: undefined })).toEqual(await keptPassphrase(home));
});

it("says what to do where it cannot be kept", async () => {
  await writeFile(join(settings, "consilium"), "a file in the way");
  await expect(keepPassphrase("coordinator")).rejects.toMatchObject({
    code: "folder-not-writable",
    subject: expect.stringContaining("--passphrase-file"),
  });
});
