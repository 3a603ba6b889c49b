import { describe, expect, it } from "vitest";
import type { SequenceTags } from "./dicom-image.ts";
import { MIN_CONFIDENCE, recogniseModality } from "./recognise-modality.ts";

interface Given extends Partial<SequenceTags> {
  readonly te?: number;
  readonly modality?: string;
  readonly sopClass?: string;
}

function recognise({ te, modality = "MR", sopClass = "1.2.840.10008.5.1.4.1.1.4", ...given }: Given) {
  const tags: SequenceTags = {
    description: "",
    protocol: "",
    sequenceName: "",
    scanningSequence: [],
    imageType: ["ORIGINAL", "PRIMARY", "M", "ND"],
    contrastAgent: "",
    ...given,
  };
  const frame = { index: 0, slope: 1, intercept: 0, ...(te && { echoTimeMs: te }) };
  // Only the first frame's echo is looked at.
  return recogniseModality({ modality, sopClass, tags, frames: [{ frame, image: undefined as never }] });
}

describe("recogniseModality", () => {
  it.each<[string, Given, string]>([
    [
      "Siemens MPRAGE",
      { description: "t1_mprage_sag_p2_iso", te: 2.98, repetitionTimeMs: 2300, inversionTimeMs: 900 },
      "t1",
    ],
    [
      "its contrast twin",
      { description: "t1_mprage_tra_KM", te: 2.98, repetitionTimeMs: 2300, inversionTimeMs: 900 },
      "t1ce",
    ],
    [
      "an agent's tag alone",
      { description: "Ax T1 SE", contrastAgent: "Gadovist 7.5 ml", te: 9, repetitionTimeMs: 500 },
      "t1ce",
    ],
    ["an agent that was none", { description: "Ax T1 SE", contrastAgent: "NONE", te: 9, repetitionTimeMs: 500 }, "t1"],
    ["GE BRAVO", { description: "Ax BRAVO +C", te: 3.2, repetitionTimeMs: 8.2, inversionTimeMs: 450 }, "t1ce"],
    ["before contrast", { description: "AX T1 PRE GD", te: 9, repetitionTimeMs: 600 }, "t1"],
    ["T2", { description: "Ax T2 FSE", te: 102, repetitionTimeMs: 5200 }, "t2"],
    ["FLAIR", { description: "Ax T2 FLAIR", te: 125, repetitionTimeMs: 9000, inversionTimeMs: 2500 }, "flair"],
    [
      "dark fluid",
      { description: "t2_space_dark-fluid_sag", te: 390, repetitionTimeMs: 5000, inversionTimeMs: 1800 },
      "flair",
    ],
    ["Philips TFE", { description: "3D_T1_TFE", te: 4.6, repetitionTimeMs: 9.9, scanningSequence: ["GR"] }, "t1"],
    ["T1 FLAIR", { description: "Sag T1 FLAIR", te: 24, repetitionTimeMs: 2200, inversionTimeMs: 860 }, "t1"],
    ["no name, timing of a FLAIR", { te: 120, repetitionTimeMs: 9000, inversionTimeMs: 2500 }, "flair"],
    ["no name, timing of a T2", { te: 95, repetitionTimeMs: 4000 }, "t2"],
    ["a name alone", { description: "FLAIR" }, "flair"],
  ])("%s", (_, given, modality) => {
    const found = recognise(given);
    expect(found).toMatchObject({ kind: "modality", modality });
    expect(found.kind === "modality" && found.confidence).toBeGreaterThanOrEqual(MIN_CONFIDENCE);
  });

  it("is surer where names and timing agree, and unsure where they contradict", () => {
    const confidence = (given: Given): number => {
      const found = recognise(given);
      return found.kind === "modality" ? found.confidence : Number.NaN;
    };
    const both = confidence({ description: "T2 TSE", te: 100, repetitionTimeMs: 4000 });
    const one = confidence({ description: "T2 TSE" });
    expect(both).toBeGreaterThan(one);
    expect(confidence({ description: "T2 TSE", te: 3, repetitionTimeMs: 8, inversionTimeMs: 400 })).toBeLessThan(
      MIN_CONFIDENCE,
    );
    expect(
      confidence({ description: "T1 without", contrastAgent: "Dotarem", te: 9, repetitionTimeMs: 500 }),
    ).toBeLessThan(MIN_CONFIDENCE);
  });

  it.each<[string, Given]>([
    ["image type LOCALIZER", { description: "T1", imageType: ["ORIGINAL", "PRIMARY", "LOCALIZER"] }],
    ['named "scout"', { description: "AAHead_Scout T1" }],
    ["a derived image", { description: "T1 MPRAGE", imageType: ["DERIVED", "SECONDARY", "OTHER"] }],
    ["image type MPR", { description: "T1", imageType: ["DERIVED", "SECONDARY", "MPR"] }],
    ["a secondary capture", { description: "T1", sopClass: "1.2.840.10008.5.1.4.1.1.7" }],
    ["its DICOM modality is CT", { description: "T1", modality: "CT" }],
    ['named "dwi"', { description: "ep2d_DWI_b1000 T2", te: 90 }],
    ['named "swi"', { description: "t2_SWI3D" }],
    ["neither names nor timing", { description: "Smith family" }],
  ])("passes over, saying: %s", (reason, given) => {
    const found = recognise(given);
    expect(found.kind).toBe("other");
    expect(found.reason).toContain(reason);
  });

  it("never repeats text of the file", () => {
    expect(JSON.stringify(recognise({ description: "T1 Smith John", te: 9, repetitionTimeMs: 500 }))).not.toMatch(
      /smith/i,
    );
    expect(JSON.stringify(recognise({ description: "T1", modality: "Smith" }))).not.toMatch(/smith/i);
  });
});
