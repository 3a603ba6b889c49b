"""What pydicom and dcm2niix read in DICOM files, for the tests of src/imaging/dicom.

    pip install pydicom==3.0.1 pylibjpeg pylibjpeg-libjpeg pylibjpeg-openjpeg pyjpegls python-gdcm dcm2niix nibabel
    python bench/oracle/dicom_vectors.py made src/imaging/dicom/testdata/dicom-vectors.json
    python bench/oracle/dicom_vectors.py real FOLDER [SERIES-FOLDER ...]

`made` writes small series of noise that is no patient's: single-frame in three encodings, multi-frame in five
compressed ones, all of an oblique anisotropic grid with a rescale slope, beside the affine and values that dcm2niix
gives. `real` fills a folder for CONSILIUM_DICOM: pydicom's own test files with digests of what pydicom decodes, and
for each series named the NIfTI file that dcm2niix makes of it.
"""
import base64
import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import nibabel
import numpy
import pydicom
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import UID

warnings.filterwarnings("ignore")
# OpenJPEG codes no image of a side below 32.
ROWS, COLUMNS, SLICES = 32, 34, 10
SPACING, GAP = (1.1, 0.9), 2.3
MR, ENHANCED_MR = "1.2.840.10008.5.1.4.1.1.4", "1.2.840.10008.5.1.4.1.1.4.1"
SYNTAXES = {
    "implicit": "1.2.840.10008.1.2",
    "explicit": "1.2.840.10008.1.2.1",
    "bigEndian": "1.2.840.10008.1.2.2",
    "jpegLossless": "1.2.840.10008.1.2.4.70",
    "jpegLs": "1.2.840.10008.1.2.4.80",
    "jpeg2000": "1.2.840.10008.1.2.4.90",
    "rle": "1.2.840.10008.1.2.5",
}


def geometry():
    """Rotated by 25 degrees about x and then 10 about z."""
    a, b = numpy.radians([25, 10])
    about_x = numpy.array([[1, 0, 0], [0, numpy.cos(a), -numpy.sin(a)], [0, numpy.sin(a), numpy.cos(a)]])
    about_z = numpy.array([[numpy.cos(b), -numpy.sin(b), 0], [numpy.sin(b), numpy.cos(b), 0], [0, 0, 1]])
    rotation = about_z @ about_x
    positions = [numpy.array([-40.0, -55.5, 12.25]) + rotation[:, 2] * GAP * k for k in range(SLICES)]
    return list(rotation[:, 0]) + list(rotation[:, 1]), positions


def common(syntax, sop_class, instance):
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = sop_class, instance
    meta.TransferSyntaxUID = UID(syntax)
    d = Dataset()
    d.file_meta = meta
    d.SOPClassUID, d.SOPInstanceUID = sop_class, instance
    d.StudyInstanceUID, d.SeriesInstanceUID, d.FrameOfReferenceUID = "1.2.3.1", "1.2.3.2", "1.2.3.3"
    d.Modality, d.PatientID, d.PatientName = "MR", "made", "Made^Up"
    d.SpecificCharacterSet, d.SeriesDescription, d.SeriesNumber = "ISO_IR 192", "T1 MPRAGE", 4
    d.StudyDate, d.StudyTime, d.Manufacturer = "20200101", "120000", "none"
    d.ImageType = ["ORIGINAL", "PRIMARY", "M", "NORM"]
    d.Rows, d.Columns, d.SamplesPerPixel, d.PhotometricInterpretation = ROWS, COLUMNS, 1, "MONOCHROME2"
    d.BitsAllocated, d.BitsStored, d.HighBit, d.PixelRepresentation = 16, 12, 11, 0
    return d


def text(x):
    return f"{x:.9f}"[:16]


def single(syntax, voxels):
    orientation, positions = geometry()
    out = []
    for k in range(SLICES):
        d = common(syntax, MR, f"1.2.3.4.{k + 1}")
        d.ImageOrientationPatient = [text(x) for x in orientation]
        d.ImagePositionPatient = [text(x) for x in positions[k]]
        d.PixelSpacing, d.SliceThickness, d.InstanceNumber = list(SPACING), "2.3", k + 1
        d.EchoTime, d.RepetitionTime, d.InversionTime, d.ScanningSequence = "3.0", "2000", "900", ["GR", "IR"]
        d.RescaleSlope, d.RescaleIntercept = "1.5", "-7"
        little = syntax != SYNTAXES["bigEndian"]
        d.PixelData = voxels[k].astype("<u2" if little else ">u2").tobytes()
        d["PixelData"].VR = "OW"
        out.append(encode(d, syntax))
    return out


def encode(d, syntax):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file.dcm"
        little, implicit = syntax != SYNTAXES["bigEndian"], syntax == SYNTAXES["implicit"]
        pydicom.dcmwrite(path, d, implicit_vr=implicit, little_endian=little, enforce_file_format=True)
        return path.read_bytes()


def multi(syntax, voxels):
    orientation, positions = geometry()
    d = common(SYNTAXES["explicit"], ENHANCED_MR, "1.2.3.4.100")
    d.NumberOfFrames = SLICES
    shared = Dataset()
    orient, measures, timing = Dataset(), Dataset(), Dataset()
    orient.ImageOrientationPatient = [text(x) for x in orientation]
    measures.PixelSpacing, measures.SliceThickness = list(SPACING), "2.3"
    timing.RepetitionTime = "2000"
    shared.PlaneOrientationSequence, shared.PixelMeasuresSequence = Sequence([orient]), Sequence([measures])
    shared.MRTimingAndRelatedParametersSequence = Sequence([timing])
    d.SharedFunctionalGroupsSequence = Sequence([shared])
    frames = []
    for k in range(SLICES):
        item, place, scale, content, echo = Dataset(), Dataset(), Dataset(), Dataset(), Dataset()
        place.ImagePositionPatient = [text(x) for x in positions[k]]
        scale.RescaleSlope, scale.RescaleIntercept, scale.RescaleType = "1.5", "-7", "US"
        content.InStackPositionNumber, content.StackID, content.DimensionIndexValues = k + 1, "1", [1, k + 1]
        echo.EffectiveEchoTime = 3.0
        item.PlanePositionSequence, item.PixelValueTransformationSequence = Sequence([place]), Sequence([scale])
        item.FrameContentSequence, item.MREchoSequence = Sequence([content]), Sequence([echo])
        frames.append(item)
    d.PerFrameFunctionalGroupsSequence = Sequence(frames)
    d.PixelData = voxels.astype("<u2").tobytes()
    d["PixelData"].VR = "OW"
    if syntax == SYNTAXES["jpegLossless"]:
        return [by_gdcm(encode(d, SYNTAXES["explicit"]))]
    if syntax != SYNTAXES["explicit"]:
        d.compress(UID(syntax))
    return [encode(d, syntax)]


def by_gdcm(explicit):
    """JPEG lossless, which no encoder of pydicom's writes."""
    import gdcm

    with tempfile.TemporaryDirectory() as folder:
        source, target = str(Path(folder) / "a.dcm"), str(Path(folder) / "b.dcm")
        Path(source).write_bytes(explicit)
        reader = gdcm.ImageReader()
        reader.SetFileName(source)
        assert reader.Read()
        change = gdcm.ImageChangeTransferSyntax()
        change.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.JPEGLosslessProcess14_1))
        change.SetInput(reader.GetImage())
        assert change.Change()
        writer = gdcm.ImageWriter()
        writer.SetFileName(target)
        writer.SetFile(reader.GetFile())
        writer.SetImage(change.GetOutput())
        assert writer.Write()
        return Path(target).read_bytes()


def dcm2niix(folder):
    with tempfile.TemporaryDirectory() as out:
        command = shutil.which("dcm2niix") or str(Path(pydicom.__file__).parents[1] / "bin" / "dcm2niix")
        subprocess.run([command, "-z", "n", "-b", "n", "-f", "v", "-o", out, folder], check=True, capture_output=True)
        found = sorted(Path(out).glob("*.nii"))
        assert len(found) == 1, found
        image = nibabel.load(found[0])
        return image.affine, numpy.asarray(image.get_fdata()), found[0].read_bytes()


def made(target):
    voxels = numpy.random.default_rng(7).integers(0, 4096, (SLICES, ROWS, COLUMNS))
    voxels[:, 3:26, 2:32] = 77
    series = []
    for name, uid in SYNTAXES.items():
        files = single(uid, voxels) if name in ("implicit", "bigEndian") else multi(uid, voxels)
        with tempfile.TemporaryDirectory() as folder:
            for k, data in enumerate(files):
                (Path(folder) / f"{k}.dcm").write_bytes(data)
            decoded = [pydicom.dcmread(Path(folder) / f"{k}.dcm").pixel_array for k in range(len(files))]
            stored = numpy.concatenate([a.reshape(-1, ROWS, COLUMNS) for a in decoded])
            assert (stored == voxels).all(), name
            entry = {"name": name, "files": [base64.b64encode(f).decode() for f in files]}
            # The grid is the same in all: one single-frame and one multi-frame series are enough.
            if name in ("implicit", "explicit"):
                affine, values, _ = dcm2niix(folder)
                entry["dcm2niix"] = {"affine": affine.ravel().tolist(), "dims": list(values.shape)}
                entry["dcm2niix"]["float32"] = base64.b64encode(values.astype("<f4").ravel(order="F").tobytes()).decode()
            series.append(entry)
    document = {"uint16": base64.b64encode(voxels.astype("<u2").tobytes()).decode(), "dims": [COLUMNS, ROWS, SLICES], "series": series}
    Path(target).write_text(json.dumps(document) + "\n")


PYDICOM_FILES = """MR_small.dcm MR_small_RLE.dcm MR_small_bigendian.dcm MR_small_expb.dcm MR_small_implicit.dcm
MR_small_jp2klossless.dcm MR_small_jpeg_ls_lossless.dcm MR_small_padded.dcm CT_small.dcm 693_J2KI.dcm
J2K_pixelrep_mismatch.dcm JPEG2000.dcm JPEGLSNearLossless_08.dcm JPEGLSNearLossless_16.dcm image_dfl.dcm
examples_overlay.dcm rtdose.dcm rtdose_1frame.dcm rtdose_expb.dcm rtdose_rle.dcm rtdose_rle_1frame.dcm
""".split()


def real(folder, series):
    out = Path(folder)
    (out / "pydicom").mkdir(parents=True, exist_ok=True)
    answers = []
    for name in PYDICOM_FILES:
        path = get_testdata_file(name, download=False)
        shutil.copy(path, out / "pydicom" / name)
        values = pydicom.dcmread(path).pixel_array.astype("<i8")
        answers.append({"file": name, "shape": list(values.shape), "sha256": hashlib.sha256(values.tobytes()).hexdigest()})
    (out / "pydicom.json").write_text(json.dumps(answers, indent=1) + "\n")
    for k, source in enumerate(series):
        target = out / "series" / str(k + 1)
        shutil.copytree(source, target / "dicom", dirs_exist_ok=True)
        _, _, nifti = dcm2niix(source)
        (target / "dcm2niix.nii").write_bytes(nifti)


if __name__ == "__main__":
    if sys.argv[1] == "made":
        made(sys.argv[2])
    else:
        real(sys.argv[2], sys.argv[3:])
