"""Writes src/imaging/testdata/nifti-vectors.json: NIfTI-1 and NIfTI-2 files made by nibabel, with nibabel's own answers.

Affines are the first three rows.

    python -m venv oracle && oracle/bin/pip install nibabel==5.4.2
    oracle/bin/python bench/oracle/nifti_vectors.py write src/imaging/testdata/nifti-vectors.json
    npx biome format --write src/imaging/testdata/nifti-vectors.json

The other direction, files that Consilium wrote (each with NAME.json beside it: dims, affine, voxels):

    oracle/bin/python bench/oracle/nifti_vectors.py check FOLDER
"""
import base64
import gzip
import itertools
import json
import pathlib
import sys

import nibabel as nib
import numpy as np

DIMS = (3, 4, 2)
TYPES = ["uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "float32", "float64"]


def rotation(axis, degrees):
    x, y, z = np.asarray(axis, float) / np.linalg.norm(axis)
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    k = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + s * k + (1 - c) * (k @ k)


def affine_of(matrix, spacing, origin):
    affine = np.eye(4)
    affine[:3, :3] = matrix @ np.diag(spacing)
    affine[:3, 3] = origin
    return affine


def voxels_of(dtype, rng):
    """Values over the type's range, extremes included (64-bit ones as far as doubles are exact)."""
    dtype = np.dtype(dtype)
    if dtype.kind == "f":
        return (rng.standard_normal(DIMS) * 1000).astype(dtype)
    info = np.iinfo(dtype)
    low, high = max(info.min, -(2**53) + 1), min(info.max, 2**53 - 1)
    data = rng.integers(low, high, size=DIMS, dtype=np.int64, endpoint=True).astype(dtype)
    data[0, 0, 0], data[-1, -1, -1] = low, high
    return data


VERSIONS = {1: (nib.Nifti1Image, nib.Nifti1Header), 2: (nib.Nifti2Image, nib.Nifti2Header)}


def entry(name, header_edit, data, affine, big=False, qform=None, sform=None, version=1):
    image_class, header_class = VERSIONS[version]
    image = image_class(data, None, header_class(endianness=">" if big else "<"))
    image.set_data_dtype(data.dtype)
    image.set_sform(None if sform is None else affine, code=sform or 0)
    image.set_qform(None if qform is None else affine, code=qform or 0)
    raw = bytearray(image.to_bytes())
    header_edit(raw, ">" if big else "<")
    read = image_class.from_bytes(bytes(raw))
    return {
        "name": name,
        "gzipped": base64.b64encode(gzip.compress(bytes(raw), mtime=0)).decode(),
        "dims": list(read.shape[:3]),
        "affine": [round(float(v), 7) for v in read.affine.flatten()[:12]],
        "orientation": "".join(nib.aff2axcodes(read.affine)),
        "voxels": [float(v) for v in read.get_fdata().flatten(order="F")],
    }


def pack(raw, order, at, dtype, *values):
    data = np.array(values, dtype=np.dtype(dtype).newbyteorder(order)).tobytes()
    raw[at : at + len(data)] = data


def files():
    rng = np.random.default_rng(2021)
    keep = lambda raw, order: None
    brats = affine_of(np.diag([-1, -1, 1]), (1, 1, 1), (0, 239, 0))
    oblique = affine_of(rotation((1, 2, 3), 25) @ np.diag([1, -1, 1]), (0.5, 0.75, 3), (-10.5, 20.25, -30))
    for dtype, big in itertools.product(TYPES, (False, True)):
        yield entry(f"{dtype}-{'big' if big else 'little'}", keep, voxels_of(dtype, rng), brats, big, sform=1, qform=1)
    scale = lambda raw, order: pack(raw, order, 112, "f4", 0.25, -3.5)
    for dtype, big in [("uint8", False), ("int16", True), ("int32", False), ("float32", True), ("float64", False)]:
        data = (voxels_of(dtype, rng) // 3).astype(dtype) if dtype[0] != "f" else voxels_of(dtype, rng)
        yield entry(f"scaled-{dtype}-{'big' if big else 'little'}", scale, data, brats, big, sform=1)
    small = rng.integers(0, 100, DIMS).astype("int16")
    yield entry("qform-only", keep, small, oblique, qform=1)
    yield entry("qform-only-half-turn", keep, small, affine_of(rotation((1, 1, 0), 180), (1, 2, 3), (1, 2, 3)), qform=2)
    yield entry("sform-only", keep, small, oblique, sform=2)
    sheared = oblique.copy()
    sheared[0, 1] += 0.2
    yield entry("sform-sheared", keep, small, sheared, sform=2)
    other = lambda raw, order: pack(raw, order, 280, "f4", 2, 0, 0, 5, 0, 2, 0, 6, 0, 0, 2, 7)
    yield entry("sform-before-qform", other, small, oblique, sform=1, qform=1)
    no_sform = lambda raw, order: (other(raw, order), pack(raw, order, 254, "i2", 0))
    yield entry("sform-code-0", no_sform, small, oblique, sform=1, qform=1)
    nan_scale = lambda raw, order: pack(raw, order, 112, "f4", np.nan, np.nan)
    yield entry("scale-nan", nan_scale, small, brats, sform=1)
    yield entry("scale-zero", lambda raw, order: pack(raw, order, 112, "f4", 0, 9), small, brats, sform=1)
    yield entry("oblique-big", keep, small, oblique, big=True, sform=1, qform=1)
    four = lambda raw, order: pack(raw, order, 40, "i2", 4, *DIMS, 1)
    yield entry("four-axes-last-one", four, small, brats, sform=1)

    def extended(raw, order):
        raw[348:352] = b"\1\0\0\0"
        raw[352:352] = np.array([32, 6], np.dtype("i4").newbyteorder(order)).tobytes() + b"a comment".ljust(24, b"\0")
        pack(raw, order, 108, "f4", 384)

    yield entry("extension", extended, small, brats, sform=1)
    yield from second_version(rng, small, brats, oblique, sheared)


def second_version(rng, small, brats, oblique, sheared):
    """NIfTI-2: the same questions at the places of nifti2.h."""
    keep = lambda raw, order: None
    for dtype, big in itertools.product(TYPES, (False, True)):
        name = f"nifti2-{dtype}-{'big' if big else 'little'}"
        yield entry(name, keep, voxels_of(dtype, rng), brats, big, sform=1, qform=1, version=2)
    scale = lambda raw, order: pack(raw, order, 176, "f8", 0.1, -3.5)
    for dtype, big in [("uint8", False), ("int16", True), ("float64", False)]:
        data = (voxels_of(dtype, rng) // 3).astype(dtype) if dtype[0] != "f" else voxels_of(dtype, rng)
        yield entry(f"scaled-nifti2-{dtype}-{'big' if big else 'little'}", scale, data, brats, big, sform=1, version=2)
    for big in (False, True):
        yield entry(f"nifti2-qform-only-{'big' if big else 'little'}", keep, small, oblique, big, qform=1, version=2)
    yield entry("nifti2-sform-sheared", keep, small, sheared, sform=2, version=2)
    nan_scale = lambda raw, order: pack(raw, order, 176, "f8", np.nan, np.nan)
    yield entry("nifti2-scale-nan", nan_scale, small, brats, sform=1, version=2)
    four = lambda raw, order: pack(raw, order, 16, "i8", 4, *DIMS, 1)
    yield entry("nifti2-four-axes-last-one", four, small, brats, sform=1, version=2)

    def extended(raw, order):
        raw[540:544] = b"\1\0\0\0"
        raw[544:544] = np.array([32, 6], np.dtype("i4").newbyteorder(order)).tobytes() + b"a comment".ljust(24, b"\0")
        pack(raw, order, 168, "i8", 576)

    yield entry("nifti2-extension", extended, small, brats, sform=1, version=2)


def orientations():
    """Nibabel's code and its voxels in LPS order, for every orientation, tilted by some degrees."""
    data = np.arange(24, dtype=np.uint8).reshape(DIMS, order="F")
    for number, (axes, signs) in enumerate(
        itertools.product(itertools.permutations(range(3)), itertools.product((1, -1), repeat=3))
    ):
        matrix = np.zeros((3, 3))
        for voxel, (world, sign) in enumerate(zip(axes, signs)):
            matrix[world, voxel] = sign
        affine = affine_of(rotation((number % 5 - 2, 1, number % 3), 20) @ matrix, (1, 1.5, 2), (3, -5, 7))
        affine = np.round(affine, 6)
        image = nib.Nifti1Image(data, affine)
        target = nib.orientations.axcodes2ornt("LPS")
        lps = image.as_reoriented(nib.orientations.ornt_transform(nib.io_orientation(affine), target))
        yield {
            "affine": [round(float(v), 6) for v in affine.flatten()[:12]],
            "orientation": "".join(nib.aff2axcodes(affine)),
            "lps": {
                "affine": [round(float(v), 6) for v in lps.affine.flatten()[:12]],
                "voxels": [int(v) for v in np.asarray(lps.dataobj).flatten(order="F")],
            },
        }


def write(path):
    result = {
        "madeBy": f"bench/oracle/nifti_vectors.py with nibabel {nib.__version__}",
        "files": list(files()),
        "orientations": {"dims": list(DIMS), "cases": list(orientations())},
    }
    pathlib.Path(path).write_text(json.dumps(result))


def check(folder):
    wrong = 0
    answers = sorted(pathlib.Path(folder).glob("*.json"))
    for answer in answers:
        expected = json.loads(answer.read_text())
        image = nib.load(answer.with_suffix(""))
        voxels = image.get_fdata().flatten(order="F")
        good = (
            list(image.shape) == expected["dims"]
            and np.allclose(image.affine.flatten()[:12], expected["affine"], atol=1e-4)
            and np.allclose(voxels, expected["voxels"], rtol=1e-6)
            and (image.header["qform_code"] == 0 or np.allclose(image.get_qform(), image.affine, atol=1e-3))
        )
        wrong += not good
        print(f"{'ok   ' if good else 'WRONG'} {answer.with_suffix('').name}")
    sys.exit(1 if wrong or not answers else 0)


if __name__ == "__main__":
    {"write": write, "check": check}[sys.argv[1]](sys.argv[2])
