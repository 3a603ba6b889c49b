"""Statistics of pooled data by numpy, for the tests of federated statistics in src/site.

    pip install numpy nibabel
    python bench/oracle/data_statistics_vectors.py src/site/testdata/data-statistics-vectors.json

Writes three sites of small cases of noise that is no patient's, as NIfTI files, beside what numpy and nibabel say of
all of them pooled: histograms of raw intensities on anisotropic grids of several orientations, and of z-scored ones on
grids of 1 mm, sizes of voxels, volumes of regions, and cases with each class.
"""
import base64
import gzip
import json
import sys

import nibabel
import numpy

SCANS = ["t1", "t1ce", "t2", "flair"]
REGIONS = {"WT": [1, 2, 4], "TC": [1, 4], "ET": [4]}
LABELS = {"necroticCore": 1, "oedema": 2, "enhancingTumour": 4}
RAW = {"from": 50.0, "to": 950.0, "bins": 12}
NORMALISED = {"from": -2.5, "to": 2.5, "bins": 20}
SIZES = {"from": 0.5, "to": 2.5, "bins": 8}
VOLUMES = {"from": 0.0, "to": 0.12, "bins": 6}
SITES = {"a": 4, "b": 3, "c": 5}
# Voxels along world axes, exact in single precision as headers hold them, and signed permutations that name stored axes; the first is LPS.
SPACINGS = {"a": (1.0, 1.0, 1.0), "b": (0.875, 1.125, 2.0), "c": (1.25, 1.25, 0.75)}
AXES = {"a": [(0, -1), (1, -1), (2, 1)], "b": [(0, 1), (1, 1), (2, 1)], "c": [(2, 1), (0, -1), (1, -1)]}


def make_case(random, spacing, axes):
    world = (9, 8, 7)
    dims = [world[axis] for axis, _ in axes]
    affine = numpy.eye(4)
    affine[:3, :3] = 0
    for stored, (axis, sign) in enumerate(axes):
        affine[axis, stored] = sign * spacing[axis]
    brain = random.random(dims) < 0.8
    brain[tuple(side // 2 for side in dims)] = True
    scans = {scan: numpy.where(brain, random.integers(1, 1001, dims), 0).astype(numpy.int16) for scan in SCANS}
    labels = numpy.zeros(dims, numpy.uint8)
    for value, chance in ((2, 0.1), (1, 0.05), (4, 0.05)):
        if random.random() < 0.7:
            labels[(random.random(dims) < chance) & brain] = value
    return affine, scans, labels


def encoded(array, affine):
    image = nibabel.Nifti1Image(array, affine)
    image.header.set_xyzt_units("mm")
    return base64.b64encode(gzip.compress(image.to_bytes(), mtime=0)).decode()


def histogram(values, cells):
    span = cells["to"] - cells["from"]
    inside = numpy.floor((values - cells["from"]) / span * cells["bins"]).astype(int)
    index = numpy.where(values < cells["from"], 0, numpy.where(values >= cells["to"], cells["bins"] + 1, inside + 1))
    return numpy.bincount(index, minlength=cells["bins"] + 2)


def z_scored(scan):
    values = scan[scan != 0].astype(numpy.float64)
    return ((scan.astype(numpy.float64) - values.mean()) * (1 / values.std()))[scan != 0].astype(numpy.float32)


def spread(values, cells):
    """Of sizes in whole micrometres, and of volumes in whole cubic millimetres, half a one rounded up."""
    values = numpy.floor(numpy.array(values, dtype=numpy.float64) * 1000 + 0.5) / 1000
    return {"mean": float(values.mean()), "cells": histogram(values, cells).tolist()}


def pooled(cases, normalised):
    cells = NORMALISED if normalised else RAW
    of = z_scored if normalised else lambda scan: scan[scan != 0]
    values = {scan: numpy.concatenate([of(case["scans"][scan]) for case in cases]) for scan in SCANS}
    volume = {
        region: [float(numpy.isin(c["labels"], classes).sum() * numpy.prod(c["spacing"]) / 1000) for c in cases]
        for region, classes in REGIONS.items()
    }
    return {
        "cases": len(cases),
        "intensities": {scan: histogram(values[scan].astype(numpy.float64), cells).tolist() for scan in SCANS},
        "voxelSizes": {axis: spread([c["spacing"][i] for c in cases], SIZES) for i, axis in enumerate("xyz")},
        "volumes": {region: spread(each, VOLUMES) for region, each in volume.items()},
        "labels": {name: sum(bool((c["labels"] == value).any()) for c in cases) for name, value in LABELS.items()},
    }


def make(seed, normalised):
    random = numpy.random.default_rng(seed)
    sites, cases = {}, []
    for site, count in SITES.items():
        spacing = (1.0, 1.0, 1.0) if normalised else SPACINGS[site]
        files = []
        for i in range(count):
            affine, scans, labels = make_case(random, spacing, AXES[site])
            cases.append({"scans": scans, "labels": labels, "spacing": spacing})
            files.append({"id": f"{site}-{i}", **{s: encoded(a, affine) for s, a in scans.items()}, "seg": encoded(labels, affine)})
        sites[site] = files
    asked = {
        "intensities": {"of": "normalised" if normalised else "raw", **(NORMALISED if normalised else RAW)},
        "voxelSizes": SIZES,
        "volumes": VOLUMES,
        "labels": True,
    }
    return {"asked": asked, "sites": sites, "pooled": pooled(cases, normalised)}


with open(sys.argv[1], "w") as out:
    json.dump({"raw": make(1, False), "normalised": make(2, True)}, out, indent=1)
    out.write("\n")
