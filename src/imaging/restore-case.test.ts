import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { readNifti } from "./nifti-file.ts";
import { writeLabelMap } from "./restore-case.ts";
import { temporaryFolder, volumeOf } from "./testing/sample-volumes.ts";

describe("writeLabelMap", () => {
  const map = volumeOf([4, 1, 1], Uint8Array.of(0, 1, 2, 3));

  it("writes each convention's values", async () => {
    const path = join(await temporaryFolder(), "seg.nii.gz");
    await writeLabelMap(path, map, "brats2021");
    expect((await readNifti(path)).volume).toEqual({ ...map, data: Uint8Array.of(0, 1, 2, 4) });
    await writeLabelMap(path, map, "brats2023");
    expect((await readNifti(path)).volume).toEqual(map);
  });

  it("refuses a class that the convention does not have", async () => {
    const path = join(await temporaryFolder(), "seg.nii.gz");
    const strange = { ...map, data: Uint8Array.of(0, 1, 2, 4) };
    await expect(writeLabelMap(path, strange, "brats2021")).rejects.toMatchObject({ code: "label-unknown" });
  });
});
