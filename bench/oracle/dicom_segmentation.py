"""Reads a DICOM Segmentation and an RT Structure Set back with highdicom and pydicom and compares them with what was written.

    npx tsx bench/oracle/dicom-segmentation-example.ts OUT && python3 bench/oracle/dicom_segmentation.py OUT
"""
import json
import sys

import highdicom
import numpy as np
import pydicom

folder = sys.argv[1]
expected = json.load(open(f"{folder}/expected.json"))
path = f"{folder}/seg.dcm"
dataset = pydicom.dcmread(path)
seg = highdicom.seg.segread(path)
x, y, z = expected["dims"]
labels = np.array(expected["data"], np.uint8).reshape(z, y, x)
series = expected["series"]
uids = [s["sopInstanceUid"] for s in series["slices"]]

pixels = seg.get_pixels_by_source_instance(uids, combine_segments=False, assert_missing_frames_are_empty=True)
for segment in (1, 2, 3):
    assert (pixels[..., segment - 1] == (labels == segment)).all(), segment
assert str(dataset.PatientName) == series["patient"]["name"], dataset.PatientName
assert dataset.FrameOfReferenceUID == series["frameOfReferenceUid"]
assert dataset.StudyInstanceUID == series["study"]["instanceUid"]
assert dataset.ReferencedSeriesSequence[0].SeriesInstanceUID == series["seriesInstanceUid"]
assert list(seg.segment_numbers) == [1, 2, 3]

volume = seg.get_volume(combine_segments=True)
lps_to_ras = np.diag([-1, -1, 1, 1])
ours = np.array(expected["affine"]).reshape(4, 4)
theirs = lps_to_ras @ volume.affine
# highdicom indexes slice, row, column: compare the places of every labelled voxel.
found = sorted(tuple(np.round((theirs @ [*i, 1])[:3], 3)) + (int(volume.array[tuple(i)]),) for i in np.argwhere(volume.array > 0))
wanted = sorted(tuple(np.round((ours @ [i[2], i[1], i[0], 1])[:3], 3)) + (int(labels[tuple(i)]),) for i in np.argwhere(labels > 0))
assert len(found) == len(wanted) and np.allclose(found, wanted, atol=2e-3)
print(f"highdicom {highdicom.__version__}, pydicom {pydicom.__version__}: {len(wanted)} labelled voxels in their places,"
      f" {seg.NumberOfFrames} frames, segments {[s.SegmentLabel for s in dataset.SegmentSequence]}")

# The structure set: contours filled by the even-odd rule must give the regions, voxel by voxel.
rt = pydicom.dcmread(f"{folder}/rtstruct.dcm")
assert rt.Modality == "RTSTRUCT" and str(rt.PatientName) == series["patient"]["name"]
assert rt.ReferencedFrameOfReferenceSequence[0].FrameOfReferenceUID == series["frameOfReferenceUid"]
names = {int(roi.ROINumber): roi.ROIName for roi in rt.StructureSetROISequence}
regions = {"WT": (1, 2, 3), "TC": (1, 3), "ET": (3,)}
to_voxel = np.linalg.inv(ours) @ lps_to_ras


def inside(polygon, px, py):
    """Crossing number (even-odd) of a point."""
    hit = False
    for (x0, y0), (x1, y1) in zip(polygon, np.roll(polygon, -1, axis=0)):
        if (y0 > py) != (y1 > py) and px < (x1 - x0) * (py - y0) / (y1 - y0) + x0:
            hit = not hit
    return hit


contours = 0
for roi in rt.ROIContourSequence:
    filled = np.zeros(labels.shape, bool)
    for contour in roi.get("ContourSequence", []):
        contours += 1
        assert contour.ContourGeometricType == "CLOSED_PLANAR"
        points = np.array(contour.ContourData, float).reshape(-1, 3)
        assert len(points) == contour.NumberOfContourPoints
        voxel = np.array([(to_voxel @ [*p, 1])[:3] for p in points])
        k = int(round(voxel[0, 2]))
        assert np.allclose(voxel[:, 2], k, atol=1e-2)
        assert contour.ContourImageSequence[0].ReferencedSOPInstanceUID == uids[k]
        for j in range(y):
            for i in range(x):
                filled[k, j, i] ^= inside(voxel[:, :2], i, j)
    assert (filled == np.isin(labels, regions[names[int(roi.ReferencedROINumber)]])).all()
print(f"RT Structure Set: {contours} contours of {sorted(names.values())} fill the regions, voxel by voxel")
