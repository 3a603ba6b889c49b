"""Runs the evaluation code of BraTS 2023 itself on the label maps of src/segmentation/testdata/measure-vectors.json.

    python3.11 -m venv oracle
    oracle/bin/pip install surface-distance==0.1 connected-components-3d==3.12.3 scipy==1.10.1 numpy==1.26.4 \
        nibabel==5.2.1 pandas==1.5.3
    curl -L --create-dirs -o official/eval.py \
        https://raw.githubusercontent.com/rachitsaluja/BraTS-2023-Metrics/0e272e697a193474ed75cef99cf2de110cc52d37/eval.py
    oracle/bin/python bench/oracle/official_lesions.py official src/segmentation/testdata/measure-vectors.json

Prints how far the lesion-wise scores of `get_LesionWiseResults` lie from the stored ones, which Consilium equals
(src/segmentation/metrics.test.ts), and ends with 1 where a score differs by more than 1e-9. Labels are written as that
code reads them, enhancing tumour as 3.
"""
import base64
import gzip
import json
import math
import sys
import tempfile

import nibabel as nib
import numpy as np
import pandas as pd
import surface_distance

# pandas refuses what it took then: to replace in a table whose cells hold lists, as the lesions' numbers are.
whole_table = pd.DataFrame.replace


def replace_in_figures(self, old, new, inplace=False):
    if inplace:
        return whole_table(self, old, new, inplace=True)
    return self.assign(**{name: column.replace(old, new) for name, column in self.select_dtypes("number").items()})


pd.DataFrame.replace = replace_in_figures
# That repository's own copy of surface-distance takes masks of integers; the package wants them as truth values.
strict = surface_distance.compute_surface_distances
surface_distance.compute_surface_distances = lambda a, b, mm: strict(a.astype(bool), b.astype(bool), mm)

CHALLENGES = {"glioma": "BraTS-GLI", "meningioma": "BraTS-MEN", "metastases": "BraTS-MET"}
SCORES = {"dice": "LesionWise_Score_Dice", "hd95": "LesionWise_Score_HD95", "found": "Num_TP", "missed": "Num_FN",
          "falseFindings": "Num_FP"}


def written(packed, case, path):
    shape = case["dims"]
    labels = np.frombuffer(gzip.decompress(base64.b64decode(packed)), np.uint8).reshape(shape, order="F").copy()
    if case["convention"] == "brats2021":
        labels[labels == 4] = 3
    nib.Nifti1Image(labels, np.diag([*case["spacingMm"], 1.0])).to_filename(path)


def main(official, vectors):
    sys.path.insert(0, official)
    from eval import get_LesionWiseResults

    compared, apart = 0, []
    worst = dict.fromkeys(SCORES, 0.0)
    for case in json.loads(open(vectors).read())["cases"]:
        with tempfile.TemporaryDirectory() as folder:
            paths = [f"{folder}/{name}.nii.gz" for name in ("prediction", "reference")]
            for path, name in zip(paths, ("prediction", "reference")):
                written(case[name], case, path)
            for rules, challenge in CHALLENGES.items():
                table = get_LesionWiseResults(*paths, challenge).set_index("Labels")
                for region, answers in case["regions"].items():
                    for ours, theirs in SCORES.items():
                        compared += 1
                        value, official_value = answers["lesionWise"][rules][ours], float(table.loc[region, theirs])
                        difference = abs(value - official_value) if not math.isnan(official_value) else math.inf
                        worst[ours] = max(worst[ours], difference)
                        if difference > 1e-9:
                            apart.append(f"{case['name']} {rules} {region} {ours}: {value}, official {official_value}")
    print(f"{compared} scores compared; largest difference by score: {worst}")
    print("\n".join(apart))
    return 1 if apart else 0


sys.exit(main(*sys.argv[1:]))
