import { spawn } from "node:child_process";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { isLocked, lockHome } from "./home-lock.ts";

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "consilium lock-"));
});
afterAll(() => rm(root, { recursive: true, force: true }));

/** A process of its own that takes the lock, says so, and lives until it is killed. */
async function holder(home: string): Promise<{ kill: () => Promise<void> }> {
  const module = JSON.stringify(new URL("home-lock.ts", import.meta.url).href);
  const code = `const { lockHome } = await import(${module}); await lockHome(${JSON.stringify(home)}); console.log("held"); setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ["--import", "tsx", "--input-type=module", "-e", code], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await new Promise((resolve) => child.stdout.once("data", resolve));
  return {
    kill: () =>
      new Promise((resolve) => {
        child.once("exit", () => resolve());
        child.kill("SIGKILL");
      }),
  };
}

describe("lockHome", () => {
  it("lets one in, and the next after it", async () => {
    const home = join(root, "a");
    const lock = await lockHome(home);
    await expect(lockHome(home)).rejects.toMatchObject({ code: "home-locked" });
    expect(await isLocked(home)).toBe(true);
    lock.release();
    expect(await isLocked(home)).toBe(false);
    (await lockHome(home)).release();
  });

  it("keeps out another process, and is free as soon as that is killed", async () => {
    const home = join(root, "b");
    const other = await holder(home);
    await expect(lockHome(home)).rejects.toMatchObject({ code: "home-locked" });
    await other.kill();
    (await lockHome(home)).release();
  });

  it("refuses a home that is a file", async () => {
    await writeFile(join(root, "file"), "");
    await expect(lockHome(join(root, "file"))).rejects.toMatchObject({ code: "folder-not-writable" });
    await chmod(join(root, "file"), 0o600);
  });
});
