"""Writes src/segmentation/testdata/measure-vectors.json: label maps with the answers of independent packages.

    python -m venv oracle
    oracle/bin/pip install surface-distance==0.1 connected-components-3d scipy numpy nibabel monai torch
    oracle/bin/python bench/oracle/measure_vectors.py src/segmentation/testdata/measure-vectors.json
    npx biome format --write src/segmentation/testdata/measure-vectors.json

Small label maps are made from a seed and stored with their answers. Where CONSILIUM_RATERS names the folder of label
maps by several raters, the answers for those pairs are stored too, without the maps.

dice, hd95, sensitivity, specificity
    MONAI: compute_dice, compute_hausdorff_distance(percentile=95), get_confusion_matrix. Null where the figure is 0/0
    or, for hd95, where a region is in one map only; MONAI answers NaN or infinity there.
nsd
    surface-distance (the authors' package of Nikolov et al. 2021): compute_surface_dice_at_tolerance.
lesionWise
    The rules of BraTS 2023 over cc3d (26 neighbours), SciPy (growing) and surface-distance (HD95), each package doing
    what it does in the challenge's evaluation. The rules are written here again from their description.
volumeMl
    NumPy.
"""
import base64
import gzip
import importlib.metadata
import json
import os
import pathlib
import sys
import time

import cc3d
import numpy as np
import scipy.ndimage as nd

# surface-distance 0.1 calls two names that NumPy 2 and SciPy 1.15 no longer have.
np.Inf = np.inf
nd.filters, nd.morphology = nd, nd
import surface_distance  # noqa: E402

CONVENTIONS = {"brats2021": {"WT": (1, 2, 4), "TC": (1, 4), "ET": (4,)},
               "brats2023": {"WT": (1, 2, 3), "TC": (1, 3), "ET": (3,)}}
RULES = {"glioma": (3, 50), "meningioma": (1, 50), "metastases": (1, 2)}
TOLERANCES_MM = (0.5, 1.0, 2.0)
MISSED_MM = 374.0


def whole(p, r, spacing):
    """Dice, HD95, sensitivity and specificity by MONAI."""
    import torch
    from monai.metrics import compute_dice, compute_hausdorff_distance, get_confusion_matrix

    a, b = (torch.from_numpy(m[None, None].astype(np.float32)) for m in (p, r))
    tp, fp, tn, fn = (float(v) for v in get_confusion_matrix(a, b)[0, 0])
    dice = float(compute_dice(a, b, ignore_empty=True)[0, 0]) if r.any() else (0.0 if p.any() else None)
    hd95 = None
    if p.any() and r.any():
        hd95 = float(compute_hausdorff_distance(a, b, include_background=True, percentile=95, spacing=[float(mm) for mm in spacing]))
    return {"dice": dice, "hd95": hd95,
            "sensitivity": tp / (tp + fn) if tp + fn > 0 else None,
            "specificity": tn / (tn + fp) if tn + fp > 0 else None}


def nsd(p, r, spacing):
    if not p.any() and not r.any():
        return [None] * len(TOLERANCES_MM)
    distances = surface_distance.compute_surface_distances(r, p, spacing)
    return [float(surface_distance.compute_surface_dice_at_tolerance(distances, mm)) for mm in TOLERANCES_MM]


def lesion_wise(p, r, spacing, steps, least_mm3):
    structure = nd.generate_binary_structure(3, 2)
    grown = nd.binary_dilation(r, structure=structure, iterations=steps)
    lesions = cc3d.connected_components(grown.astype(np.uint8), connectivity=26)
    lesions = np.where(r, lesions, 0)
    findings = cc3d.connected_components(p.astype(np.uint8), connectivity=26)
    touching, pairs, left_out = set(), [], 0
    for number in range(1, lesions.max() + 1):
        lesion = lesions == number
        around = nd.binary_dilation(lesion, structure=structure, iterations=steps)
        numbers = set(np.unique(findings[around])) - {0}
        touching |= numbers
        if lesion.sum() * np.prod(spacing) <= least_mm3:
            left_out += 1
            continue
        finding = np.isin(findings, list(numbers)) if numbers else np.zeros_like(lesion)
        dice = 2 * (finding & lesion).sum() / (finding.sum() + lesion.sum())
        distances = surface_distance.compute_surface_distances(lesion, finding, spacing)
        hd95 = surface_distance.compute_robust_hausdorff(distances, 95)
        pairs.append((float(dice), MISSED_MM if np.isinf(hd95) else float(hd95), len(numbers) > 0))
    false = len(set(np.unique(findings)) - {0} - touching)
    counted = len(pairs) + false
    return {"dice": sum(pair[0] for pair in pairs) / counted if counted else 1.0,
            "hd95": (sum(pair[1] for pair in pairs) + MISSED_MM * false) / counted if counted else 0.0,
            "found": sum(pair[2] for pair in pairs), "missed": sum(not pair[2] for pair in pairs),
            "falseFindings": false, "leftOut": left_out}


def answers(prediction, reference, spacing, convention):
    result = {}
    for region, labels in CONVENTIONS[convention].items():
        p, r = (np.isin(m, labels) for m in (prediction, reference))
        ml = float(np.prod(spacing)) / 1000
        result[region] = {
            **whole(p, r, spacing),
            "nsd": nsd(p, r, spacing),
            "volumeMl": {"prediction": float(p.sum()) * ml, "reference": float(r.sum()) * ml},
            "lesionWise": {name: lesion_wise(p, r, spacing, *rule) for name, rule in RULES.items()},
        }
    return result


def blobs(rng, shape, sigma, level, enhancing):
    field = nd.gaussian_filter(rng.standard_normal(shape), sigma)
    field = field / field.std() + level
    labels = np.zeros(shape, np.uint8)
    for label, threshold in ((2, 1.0), (1, 1.5), (enhancing, 1.9)):
        labels[field > threshold] = label
    return labels


def disturbed(rng, labels, sigma):
    """Another rater's map: moved by a voxel, with noise at the borders, some parts gone and some new ones."""
    moved = np.roll(labels, rng.integers(-1, 2, 3), axis=(0, 1, 2))
    noise = nd.gaussian_filter(rng.standard_normal(labels.shape), sigma)
    moved[noise > 1.6 * noise.std()] = 0
    new = nd.gaussian_filter(rng.standard_normal(labels.shape), 1.0)
    moved[(new > 2.9 * new.std()) & (moved == 0)] = rng.choice(labels[labels > 0]) if (labels > 0).any() else 2
    return moved


def maps(rng):
    """Name, prediction, reference, spacing, convention."""
    spacings = [(1, 1, 1), (0.5, 1, 1.5), (1, 1, 4), (0.75, 0.75, 3), (2, 1.25, 1)]
    for number in range(16):
        convention = ("brats2021", "brats2023")[number % 2]
        shape = tuple(int(n) for n in rng.integers(24, 44, 3))
        sigma = rng.uniform(1.2, 3.5)
        reference = blobs(rng, shape, sigma, rng.uniform(-0.9, 0.2), 4 - number % 2)
        if number % 3 == 2:
            prediction = blobs(rng, shape, sigma, -0.3, 4 - number % 2)
        else:
            prediction = disturbed(rng, reference, sigma)
        yield f"blobs-{number}", prediction, reference, spacings[number % len(spacings)], convention
    empty = np.zeros((12, 10, 9), np.uint8)
    box = empty.copy()
    box[3:9, 2:8, 2:7] = 4
    yield "neither", empty, empty, (1, 1, 1), "brats2021"
    yield "only-prediction", box, empty, (1, 1, 1), "brats2021"
    yield "only-reference", empty, box, (1, 1, 1), "brats2021"
    yield "everywhere", np.full_like(box, 4), np.full_like(box, 4), (1, 2, 1), "brats2021"
    speck = empty.copy()
    speck[0, 0, 0] = 4
    yield "corner-speck", box | speck, box, (1, 1, 1), "brats2021"
    # 50 mm^3 is left out, 51 is not; two scraps seven voxels apart grow into one lesion, eight apart they do not.
    rods = np.zeros((60, 12, 12), np.uint8)
    rods[2:52, 1, 1] = 3
    rods[2:53, 10, 10] = 3
    yield "least-volume", np.roll(rods, 1, axis=0), rods, (1, 1, 1), "brats2023"
    for gap in (6, 7, 8):
        pair = np.zeros((40, 12, 12), np.uint8)
        pair[4:12, 4:8, 4:8] = 3
        pair[12 + gap:20 + gap, 4:8, 4:8] = 3
        half = pair.copy()
        half[12:] = 0
        yield f"gap-{gap}", half, pair, (1, 1, 1), "brats2023"
    # Voxels that share only a corner are one component; growing reaches 3 along an axis but not (3, 3, 1).
    steps = np.zeros((30, 30, 30), np.uint8)
    for at in range(8):
        steps[4 + 2 * at:6 + 2 * at, 4 + 2 * at:6 + 2 * at, 4 + 2 * at:6 + 2 * at] = 1
    near = np.zeros_like(steps)
    near[23, 23, 20] = 1
    near[2, 2, 2] = 1
    yield "diagonal", near, steps, (1, 1, 1), "brats2021"


def packed(labels):
    return base64.b64encode(gzip.compress(labels.tobytes(order="F"), mtime=0)).decode()


def raters():
    import nibabel as nib

    folder = os.environ.get("CONSILIUM_RATERS")
    for case in sorted(pathlib.Path(folder).iterdir()) if folder else []:
        if not case.is_dir():
            continue
        reference = nib.load(case / "mav.nii.gz")
        for path in sorted(case.glob("*.nii.gz")):
            if path.name == "mav.nii.gz":
                continue
            prediction = np.asarray(nib.load(path).dataobj).astype(np.uint8)
            spacing = tuple(float(mm) for mm in reference.header.get_zooms()[:3])
            yield {"case": case.name, "prediction": path.name, "reference": "mav.nii.gz",
                   "regions": answers(prediction, np.asarray(reference.dataobj).astype(np.uint8), spacing, "brats2021")}


def main(path):
    rng = np.random.default_rng(2023)
    cases = []
    for name, prediction, reference, spacing, convention in maps(rng):
        cases.append({"name": name, "convention": convention, "dims": list(prediction.shape), "spacingMm": list(spacing),
                      "prediction": packed(prediction), "reference": packed(reference),
                      "regions": answers(prediction, reference, spacing, convention)})
    import monai
    import scipy

    result = {"madeBy": f"bench/oracle/measure_vectors.py with MONAI {monai.__version__}, surface-distance 0.1, "
                        f"cc3d {importlib.metadata.version('connected-components-3d')}, SciPy {scipy.__version__}",
              "tolerancesMm": TOLERANCES_MM, "cases": cases, "raters": list(raters())}
    pathlib.Path(path).write_text(json.dumps(result, separators=(",", ":")) + "\n")


def timed(path):
    """For bench/measure-case.ts: seconds of each package on a pair of maps, [dims, spacing, convention, two files]."""
    job = json.loads(pathlib.Path(path).read_text())
    prediction, reference = (np.fromfile(name, np.uint8).reshape(job["dims"], order="F")
                             for name in (job["prediction"], job["reference"]))
    spacing, seconds = tuple(job["spacingMm"]), {}
    regions = [[np.isin(m, labels) for m in (prediction, reference)]
               for labels in CONVENTIONS[job["convention"]].values()]
    tasks = {"monai": lambda p, r: whole(p, r, spacing), "surface-distance": lambda p, r: nsd(p, r, spacing),
             "lesion-wise": lambda p, r: lesion_wise(p, r, spacing, *RULES["glioma"])}
    whole(*regions[0], spacing)  # imports and first calls are not what is timed
    for name, task in tasks.items():
        started = time.perf_counter()
        for p, r in regions:
            task(p, r)
        seconds[name] = time.perf_counter() - started
    print(json.dumps(seconds))


if __name__ == "__main__":
    timed(sys.argv[2]) if sys.argv[1] == "time" else main(sys.argv[1])
