"""Compare `consilium evaluate` with SciPy, and with MONAI where it is installed, on random label maps.

    python3 bench/oracle/metrics_scipy.py [--pairs 12] [--seed 1]        (needs numpy, scipy, nibabel; MONAI if present)

Each pair is two blobby label maps (classes 1, 2, 4) on a random anisotropic grid, sometimes without a region, written
as .nii.gz and scored by the command line. SciPy follows the definitions in src/segmentation/metrics.ts; MONAI counts
surfaces in its own way, so its HD95 is only reported, not held to. Ends with the largest differences; exit 1 above 1e-6.
"""
import argparse, json, os, subprocess, sys, tempfile
import nibabel as nib
import numpy as np
from scipy import ndimage as nd

REGIONS = {"WT": (1, 2, 4), "TC": (1, 4), "ET": (4,)}
LAUNCHER = os.path.join(os.path.dirname(__file__), "..", "..", "bin", "consilium.mjs")


def blobs(rng, shape, sigma):
    field = nd.gaussian_filter(rng.standard_normal(shape), sigma)
    field = field / field.std() + rng.uniform(-1.0, 0.3)
    labels = np.zeros(shape, np.uint8)
    for label, level in ((2, 0.8), (1, 1.3), (4, 1.8)):
        labels[field > level] = label
    if rng.random() < 0.25:
        labels[labels == 4] = 1
    return labels


def surface(region):
    return region & ~nd.binary_erosion(region, nd.generate_binary_structure(3, 1), border_value=0)


def directed(a, b, spacing):
    return np.percentile(nd.distance_transform_edt(~b, sampling=spacing)[a], 95)


def ratio(part, whole):
    return None if whole == 0 else float(part / whole)


def scores(p, r, spacing):
    both = int((p & r).sum())
    hd95 = None
    if p.any() and r.any():
        a, b = surface(p), surface(r)
        hd95 = float(max(directed(a, b, spacing), directed(b, a, spacing)))
    return {
        "dice": ratio(2 * both, int(p.sum()) + int(r.sum())),
        "hd95": hd95,
        "sensitivity": ratio(both, int(r.sum())),
        "specificity": ratio(int((~p & ~r).sum()), int((~r).sum())),
    }


def monai_hd95(p, r, spacing):
    try:
        import torch
        from monai.metrics import compute_hausdorff_distance
    except ImportError:
        return None
    one = lambda m: torch.from_numpy(m[None, None].astype(np.float32))
    return float(compute_hausdorff_distance(one(p), one(r), include_background=True, percentile=95, spacing=list(spacing)))


def evaluate(prediction, reference):
    command = ["node", LAUNCHER, "evaluate", "--prediction", prediction, "--reference", reference]
    done = subprocess.run([*command, "--labels", "brats2021", "--json"], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"consilium evaluate failed: {done.stdout}{done.stderr}")
    return json.loads(done.stdout)["regions"]


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--pairs", type=int, default=12)
    options.add_argument("--seed", type=int, default=1)
    args = options.parse_args()
    rng = np.random.default_rng(args.seed)
    worst = {figure: 0.0 for figure in ("dice", "hd95", "sensitivity", "specificity")}
    undefined, monai_differences = 0, []
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(args.pairs):
            shape = tuple(int(n) for n in rng.integers(20, 60, 3))
            # Powers of two are exact in a NIfTI header's float32, so both sides read the same millimetres.
            spacing = tuple(float(2.0 ** rng.integers(-1, 3) * rng.integers(2, 6) / 4) for _ in range(3))
            maps = [blobs(rng, shape, rng.uniform(2, 5)) for _ in range(2)]
            paths = [os.path.join(folder, name) for name in ("prediction.nii.gz", "reference.nii.gz")]
            for labels, path in zip(maps, paths):
                nib.save(nib.Nifti1Image(labels, np.diag([*spacing, 1.0])), path)
            ours = evaluate(*paths)
            for name, labels in REGIONS.items():
                p, r = (np.isin(m, labels) for m in maps)
                for figure, expected in scores(p, r, spacing).items():
                    actual = ours[name][figure]
                    if (actual is None) != (expected is None):
                        sys.exit(f"{name} {figure}: consilium {actual}, SciPy {expected}")
                    if expected is None:
                        undefined += 1
                    else:
                        worst[figure] = max(worst[figure], abs(actual - expected))
                theirs = monai_hd95(p, r, spacing)
                if theirs is not None and ours[name]["hd95"] is not None:
                    monai_differences.append(abs(theirs - ours[name]["hd95"]))
    print(json.dumps({"pairs": args.pairs, "largestDifference": worst, "undefinedOnBothSides": undefined,
                      "monaiHd95": max(monai_differences) if monai_differences else None}))
    sys.exit(0 if max(worst.values()) < 1e-6 else 1)


if __name__ == "__main__":
    main()
