import { mkdir, readdir, readFile, symlink, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { readNifti, writeNifti } from "./nifti-file.ts";
import { temporaryFolder, volumeOf } from "./testing/sample-volumes.ts";

const volume = volumeOf(
  [3, 2, 2],
  Int16Array.from({ length: 12 }, (_, i) => 1000 - 100 * i),
);
let folder: string;

beforeAll(async () => {
  folder = await temporaryFolder();
});

describe("files on disk", () => {
  it.each(["plain.nii", "zipped.nii.gz"])("%s is read as written, and leaves nothing else", async (name) => {
    const path = join(await temporaryFolder(), name);
    await writeNifti(path, volume);
    expect((await readNifti(path)).volume).toEqual(volume);
    expect(await readdir(join(path, ".."))).toEqual([name]);
    const bytes = await readFile(path);
    expect(bytes.subarray(0, 2).toString("hex") === "1f8b").toBe(name.endsWith(".gz"));
    await writeNifti(path, volume);
    expect(await readFile(path)).toEqual(bytes);
  });

  it("the bytes tell whether a file is gzipped, not its name", async () => {
    await writeNifti(join(folder, "a.nii.gz"), volume);
    await writeFile(join(folder, "b.nii"), await readFile(join(folder, "a.nii.gz")));
    expect((await readNifti(join(folder, "b.nii"))).volume).toEqual(volume);
  });

  it("a truncated download is told by its file name", async () => {
    const path = join(folder, "cut.nii.gz");
    await writeNifti(path, volume);
    await truncate(path, (await readFile(path)).length - 9);
    await expect(readNifti(path)).rejects.toMatchObject({
      code: "nifti-corrupt",
      subject: "cut.nii.gz",
      actual: "a truncated one",
    });
  });

  it("refuses what is absent or no file", async () => {
    await mkdir(join(folder, "folder.nii"));
    await symlink(join(folder, "nowhere"), join(folder, "dangling.nii"));
    await writeFile(join(folder, "empty.nii"), "");
    const codeOf = (name: string) => readNifti(join(folder, name)).catch((error: { code: string }) => error.code);
    expect(await codeOf("absent.nii")).toBe("file-not-found");
    expect(await codeOf("dangling.nii")).toBe("file-not-found");
    expect(await codeOf("folder.nii")).toBe("file-unreadable");
    expect(await codeOf("empty.nii")).toBe("nifti-corrupt");
  });
});
