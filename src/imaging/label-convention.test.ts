import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { classesToLabels, type LabelConvention, labelsToClasses } from "./label-convention.ts";
import { volumeOf } from "./testing/sample-volumes.ts";

const CONVENTIONS: readonly LabelConvention[] = ["brats2021", "brats2023", "brats2024"];

const read = (values: readonly number[], convention: LabelConvention): number[] => [
  ...labelsToClasses(volumeOf([values.length, 1, 1], Float32Array.from(values)), convention, "x_seg.nii.gz").data,
];

const hintOf = (values: readonly number[], convention: LabelConvention): string => {
  try {
    read(values, convention);
  } catch (error) {
    expect(error).toMatchObject({ code: "label-unknown", subject: "x_seg.nii.gz" });
    return (error as { hint: string }).hint;
  }
  throw new Error("not refused");
};

describe("labelsToClasses", () => {
  it("reads each convention's values", () => {
    expect(read([0, 1, 2, 4], "brats2021")).toEqual([0, 1, 2, 3]);
    expect(read([0, 1, 2, 3], "brats2023")).toEqual([0, 1, 2, 3]);
  });

  it("takes a resection cavity for no tumour, and never for enhancement", () => {
    expect(read([0, 1, 2, 3, 4], "brats2024")).toEqual([0, 1, 2, 3, 0]);
    // The same values under the convention in which 4 is enhancing tumour (the control): another meaning.
    expect(read([0, 1, 2, 4], "brats2021")).toContain(3);
    expect(read([0, 1, 2, 4], "brats2024")).not.toContain(3);
  });

  it("refuses a cavity where none is declared, and says what would declare it", () => {
    for (const convention of ["brats2021", "brats2023"] as const) {
      expect(hintOf([0, 1, 2, 3, 4], convention)).toBe(
        "Say what the values mean: if 4 is a resection cavity here, labels brats2024.",
      );
    }
    expect(hintOf([0, 1, 4], "brats2023")).toMatch(/4 here, labels brats2021; if 4 is a resection cavity/);
    expect(hintOf([0, 1, 3], "brats2021")).toBe(
      "Say what the values mean: if enhancing tumour is 3 here, labels brats2023.",
    );
  });

  it("refuses values of no convention, fractions among them", () => {
    expect(hintOf([0, 7], "brats2024")).toBe("Correct the label map, or leave the case out.");
    expect(hintOf([0, 0.5], "brats2021")).toMatch(/nearest neighbour/);
    expect(hintOf([-1], "brats2021")).toMatch(/Correct/);
  });
});

describe("classesToLabels", () => {
  it("writes what is read again as the same classes, and no cavity", () => {
    fc.assert(
      fc.property(fc.uint8Array({ max: 3, minLength: 1 }), fc.constantFrom(...CONVENTIONS), (classes, convention) => {
        const labels = classesToLabels(classes, convention);
        expect(read([...labels], convention)).toEqual([...classes]);
        if (convention === "brats2024") expect(labels).not.toContain(4);
      }),
    );
  });
});
