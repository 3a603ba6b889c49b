import { constants } from "node:fs";
import * as files from "node:fs/promises";
import { join } from "node:path";
import { afterEach, describe, expect, it, vi } from "vitest";
import { writeFileAtomically } from "./atomic-file.ts";
import { temporaryFolder } from "./testing/sample-volumes.ts";

// A disk that fills up cannot be had without being root; the handle that meets it can.
vi.mock("node:fs/promises", async (original) => {
  const real = await original<typeof files>();
  return { ...real, open: vi.fn(real.open), rename: vi.fn(real.rename) };
});

afterEach(() => {
  vi.mocked(files.open).mockRestore();
  vi.mocked(files.rename).mockRestore();
});

function failure(code: string): Error {
  return Object.assign(new Error(code), { code });
}

/** The next file opened takes some bytes, then fails. */
async function failAfterSomeBytes(code: string): Promise<void> {
  const real = (await vi.importActual<typeof files>("node:fs/promises")).open;
  vi.mocked(files.open).mockImplementationOnce(async (path, flags) => {
    const handle = await real(path, flags);
    handle.writeFile = async () => {
      await handle.write(Buffer.from("half"));
      throw failure(code);
    };
    return handle;
  });
}

describe("writeFileAtomically", () => {
  it("writes, replaces, and leaves nothing else", async () => {
    const folder = await temporaryFolder();
    const path = join(folder, "result.bin");
    await writeFileAtomically(path, Buffer.from("first"));
    await writeFileAtomically(path, Buffer.from("second"));
    expect(await files.readFile(path, "utf8")).toBe("second");
    expect(await files.readdir(folder)).toEqual(["result.bin"]);
    await expect(files.access(path, constants.R_OK)).resolves.toBeUndefined();
  });

  it.each([
    ["ENOSPC", "disk-full"],
    ["EDQUOT", "disk-full"],
    ["EROFS", "folder-not-writable"],
    ["EACCES", "folder-not-writable"],
  ])("%s in mid-write is %s; the older file stands and no part is left", async (errno, code) => {
    const folder = await temporaryFolder();
    const path = join(folder, "result.bin");
    await writeFileAtomically(path, Buffer.from("older"));
    await failAfterSomeBytes(errno);
    await expect(writeFileAtomically(path, Buffer.from("newer"))).rejects.toMatchObject({ code });
    expect(await files.readFile(path, "utf8")).toBe("older");
    expect(await files.readdir(folder)).toEqual(["result.bin"]);
  });

  it("a rename that fails leaves nothing", async () => {
    const folder = await temporaryFolder();
    vi.mocked(files.rename).mockRejectedValueOnce(failure("ENOSPC"));
    await expect(writeFileAtomically(join(folder, "new.bin"), Buffer.from("x"))).rejects.toMatchObject({
      code: "disk-full",
    });
    expect(await files.readdir(folder)).toEqual([]);
  });

  it("names a folder that is absent, or is a file", async () => {
    const folder = await temporaryFolder();
    await files.writeFile(join(folder, "file"), "");
    for (const path of [join(folder, "absent", "x.bin"), join(folder, "file", "x.bin")]) {
      await expect(writeFileAtomically(path, Buffer.from("x"))).rejects.toMatchObject({ code: "folder-not-writable" });
    }
  });

  it("does not dress up what it does not know", async () => {
    const folder = await temporaryFolder();
    await failAfterSomeBytes("EIO");
    await expect(writeFileAtomically(join(folder, "x.bin"), Buffer.from("x"))).rejects.toMatchObject({ code: "EIO" });
  });
});
