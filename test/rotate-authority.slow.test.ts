/** Replacing the federation's authority from the dashboard: who knows its passphrase, and how often one may guess. */
import { join } from "node:path";
import { expect, test } from "vitest";
import { LIMITS } from "../src/base/index.ts";
import { changeHomePassphrase, openCoordinator } from "../src/coordinator/index.ts";
import { at, signIn, start, useConsole } from "./dashboard/console-fixture.ts";

useConsole();

/** @returns the new authority's fingerprint, or the code of a refusal */
async function rotate(body: object): Promise<string | undefined> {
  const { cookie, csrf } = await signIn("lead");
  const answer = await fetch(`${at.server.url}/api/consilium.v1.CoordinatorConsole/RotateAuthority`, {
    method: "POST",
    headers: { "content-type": "application/json", cookie, "x-consilium-csrf": csrf },
    body: JSON.stringify(body),
  });
  at.nowMs += 60_000;
  const { json, message } = (await answer.json()) as { json?: string; message?: string };
  return json === undefined ? message?.split(":")[0] : (JSON.parse(json) as { toSha256: string }).toSha256;
}

test("who knows its passphrase replaces it, and nothing keeps that", async () => {
  const home = join(at.folder, "home");
  const passphrase = "a passphrase that is long";
  await at.server.close();
  await at.coordinator.close();
  await changeHomePassphrase(home, undefined, passphrase);
  at.coordinator = await openCoordinator({ home, passphrase });
  at.server = await start();
  expect(await rotate({})).toBe("passphrase-missing");
  expect(await rotate({ passphrase: "another" })).toBe("passphrase-wrong");
  expect(await rotate({ passphrase, overlapDays: -1 })).toBe("usage");
  expect(await rotate({ passphrase, overlapDays: 3 })).toBe(at.coordinator.federation().id);
  expect(await rotate({ passphrase })).toBe("authority-rotating");
  const records = (await at.coordinator.journal.page(0, 100)).map(({ body }) => body).join();
  expect(records).toContain("authority-rotated");
  expect(records).not.toContain(passphrase);
  const guesses = [];
  for (let i = 0; i < LIMITS.consoleSignInsBurst; i++) guesses.push(await rotate({}));
  expect(guesses).toContain("limit-exceeded");
});

test("one whose key is not encrypted is replaced without a passphrase", async () => {
  expect(await rotate({})).toMatch(/^[0-9a-f]{64}$/);
});
