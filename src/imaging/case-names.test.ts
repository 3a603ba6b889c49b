import { describe, expect, it } from "vitest";
import { parseCaseFileName, subjectOfCase } from "./case-names.ts";

describe("parseCaseFileName", () => {
  it.each([
    ["BraTS2021_00006_t1.nii.gz", "BraTS2021_00006", "t1", "brats2021"],
    ["BraTS2021_00006_t1ce.nii.gz", "BraTS2021_00006", "t1ce", "brats2021"],
    ["Brats18_TCIA01_131_1_flair.nii.gz", "Brats18_TCIA01_131_1", "flair", "brats2021"],
    ["BraTS20_Training_001_seg.nii", "BraTS20_Training_001", "labelMap", "brats2021"],
    ["BraTS20_Training_001_t2.nii", "BraTS20_Training_001", "t2", "brats2021"],
    ["BraTS-GLI-00001-000-t1n.nii.gz", "BraTS-GLI-00001-000", "t1", "brats2023"],
    ["BraTS-GLI-00001-000-t1c.nii.gz", "BraTS-GLI-00001-000", "t1ce", "brats2023"],
    ["BraTS-GLI-00001-000-t2w.nii.gz", "BraTS-GLI-00001-000", "t2", "brats2023"],
    ["BraTS-GLI-00001-000-t2f.nii.gz", "BraTS-GLI-00001-000", "flair", "brats2023"],
    ["BraTS-GLI-00001-000-seg.nii.gz", "BraTS-GLI-00001-000", "labelMap", "brats2023"],
    // The modality is plain, the layout is not.
    ["patient7_t1c.nii.gz", "patient7", "t1ce", undefined],
    ["patient7-flair.nii.gz", "patient7", "flair", undefined],
    ["PATIENT7_T1CE.NII.GZ", "PATIENT7", "t1ce", undefined],
  ])("%s", (name, caseId, role, convention) => {
    expect(parseCaseFileName(name)).toEqual({ caseId, role, convention });
  });

  it.each(["t1.nii.gz", "X_t1.nii.gz.part", "X_t1.img", "X_mask.nii.gz", "X_t1ce2.nii", "W39_1998.09.19_Segm.nii"])(
    "%s says nothing",
    (name) => {
      expect(parseCaseFileName(name)).toBeUndefined();
    },
  );
});

describe("subjectOfCase", () => {
  it.each([
    ["BraTS2021_00006", "BraTS2021_00006"],
    ["BraTS20_Training_001", "BraTS20_Training_001"],
    ["BraTS-GLI-00001-000", "BraTS-GLI-00001"],
    ["BraTS-GLI-00001-001", "BraTS-GLI-00001"],
    ["BraTS-MET-00123-012", "BraTS-MET-00123"],
    ["Brats18_TCIA01_131_1", "Brats18_TCIA01_131"],
    ["Brats17_2013_2_1", "Brats17_2013_2"],
    ["phantom-0007", "phantom-0007"],
  ])("%s is of %s", (caseId, subject) => {
    expect(subjectOfCase(caseId)).toBe(subject);
  });
});
