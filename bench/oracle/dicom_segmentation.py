"""Reads a DICOM Segmentation back with highdicom and pydicom and compares it with what was written.

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
