/** The federation's authority under a passphrase: each look at its key costs half a second, as it is meant to. */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { systemClock } from "../base/index.ts";
import {
  adminClient,
  type Coordinator,
  changeHomePassphrase,
  initCoordinator,
  isAuthoritySealed,
  openCoordinator,
} from "./index.ts";

const PASSPHRASE = "correct horse battery staple";
const clock = systemClock;
let root: string;
let home: string;
let coordinator: Coordinator;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "consilium-sealed-"));
  home = join(root, "coordinator");
  const options = { home, name: "Sealed", listen: "127.0.0.1:0", passphrase: PASSPHRASE };
  await initCoordinator({ ...options, nowMs: clock.nowMs() });
  await open();
});
afterEach(async () => {
  await coordinator.close();
  await rm(root, { recursive: true, force: true });
});

async function open(): Promise<void> {
  coordinator = await openCoordinator({ home, clock, passphrase: PASSPHRASE });
}

describe("a sealed authority", () => {
  test("lies in the home without a readable key, and serves nobody without its passphrase", async () => {
    await coordinator.close();
    expect(await readFile(join(home, "authority.pem"), "utf8")).not.toContain("BEGIN PRIVATE KEY");
    expect(await isAuthoritySealed(home)).toBe(true);
    await expect(openCoordinator({ home, clock })).rejects.toMatchObject({ code: "passphrase-missing" });
    const wrong = openCoordinator({ home, clock, passphrase: "another passphrase" });
    await expect(wrong).rejects.toMatchObject({ code: "passphrase-wrong" });
    // Looking and inviting need no key.
    expect((await adminClient(home, clock).status()).federation.authority.keySealed).toBe(true);
    await adminClient(home, clock).invite({ siteId: "upenn" });
    await expect(adminClient(home, clock).rotateAuthority()).rejects.toMatchObject({ code: "passphrase-missing" });
    await open();
  });

  test("is followed by one that is sealed under the same passphrase", async () => {
    await coordinator.close();
    const { toSha256 } = await adminClient(home, clock, PASSPHRASE).rotateAuthority();
    for (const file of ["authority.pem", "previous-authority.json"]) {
      expect(await readFile(join(home, file), "utf8")).not.toContain("BEGIN PRIVATE KEY");
    }
    await open();
    expect(coordinator.status().federation).toMatchObject({ id: toSha256, authority: { keySealed: true } });
  });

  test("gets another passphrase, which alone holds from then on", async () => {
    await expect(changeHomePassphrase(home, PASSPHRASE, "another passphrase")).rejects.toMatchObject({
      code: "home-locked",
    });
    await coordinator.close();
    await changeHomePassphrase(home, PASSPHRASE, "another passphrase");
    const old = openCoordinator({ home, clock, passphrase: PASSPHRASE });
    await expect(old).rejects.toMatchObject({ code: "passphrase-wrong" });
    await changeHomePassphrase(home, "another passphrase", PASSPHRASE);
    await open();
  });
});
