/** Registration on phantoms at 4 mm; on real cases see register-rigid.slow.test.ts. */
import { describe, expect, it } from "vitest";
import { createRandom } from "../../base/index.ts";
import { makePhantom } from "../phantom/index.ts";
import type { Triple, Volume } from "../volume.ts";
import { invertRigid, registerRigid, resampleOnto, rigidDifference, rigidMatrix } from "./index.ts";
import { floats, knownMotion, movedBy, worstDistanceMm } from "./testing/moved-head.ts";

const CENTRE: Triple = [-119, 119, 75];
const phantom = makePhantom({ seed: 5, caseIndex: 0, siteIndex: 0, spacingMm: 4 });

describe("registerRigid", () => {
  it("finds 15 mm and 15 degrees between sequences, to a fraction of a 4 mm voxel", { timeout: 120_000 }, () => {
    const motion = knownMotion(1, 15, 15, CENTRE);
    const { fixedToMoving } = registerRigid(floats(phantom.t1ce), movedBy(floats(phantom.t2), motion));
    expect(rigidDifference(fixedToMoving, motion, CENTRE).degrees).toBeLessThan(1);
    expect(worstDistanceMm(fixedToMoving, motion, CENTRE)).toBeLessThan(2);
    // The control: without registration the error is what was applied.
    const identity = rigidMatrix([0, 0, 0, 0, 0, 0], CENTRE);
    expect(rigidDifference(identity, motion, CENTRE)).toEqual({
      degrees: expect.closeTo(15, 0),
      mm: expect.closeTo(15, 5),
    });
  });

  it("refuses images that tell nothing of each other", () => {
    const random = createRandom("noise");
    const drawn = (): Volume<Float32Array> => ({
      dims: [20, 20, 20],
      affineVoxelToRas: phantom.t1.affineVoxelToRas,
      data: Float32Array.from({ length: 20 ** 3 }, () => random.normal()),
    });
    const [noise, other] = [drawn(), drawn()];
    expect(() => registerRigid(noise, other)).toThrow(/registration-failed/);
  });
});

describe("rigid motions", () => {
  it("are undone by their inverse, and turn about their centre", () => {
    const motion = rigidMatrix([0.3, -0.2, 0.1, 0, 0, 0], CENTRE);
    expect(rigidDifference(motion, rigidMatrix([0, 0, 0, 0, 0, 0], CENTRE), CENTRE).mm).toBeCloseTo(0, 9);
    const shifted = rigidMatrix([0.3, -0.2, 0.1, 5, -6, 7], CENTRE);
    const twice = invertRigid(invertRigid(shifted));
    shifted.forEach((x, i) => expect(twice[i]).toBeCloseTo(x, 9));
  });
});

describe("resampleOnto", () => {
  const image = floats(phantom.t1);
  const still = rigidMatrix([0, 0, 0, 0, 0, 0], CENTRE);

  it("copies onto the same grid, and shifts by whole voxels without interpolating", () => {
    expect(resampleOnto(image, image, still).data).toEqual(image.data);
    const shifted = resampleOnto(image, image, rigidMatrix([0, 0, 0, -4, 0, 0], CENTRE)).data;
    expect([...shifted.slice(0, image.data.length - 1)]).toEqual(
      [...image.data.slice(1)].map((v, i) => ((i + 1) % 60 === 0 ? 0 : v)),
    );
  });

  it("is exact for a linear ramp, and 0 beyond the image", () => {
    const ramp = { ...image, data: image.data.map((_, i) => 100 + (i % 60)) };
    const half = resampleOnto(ramp, image, rigidMatrix([0, 0, 0, -2, 0, 0], CENTRE)).data;
    expect([half[10], half[58], half[59]]).toEqual([110.5, 158.5, 0]);
  });
});
