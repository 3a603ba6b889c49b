"""Writes src/segmentation/testdata/statistics-vectors.json: tests and intervals with SciPy's and statsmodels' answers.

    python -m venv oracle && oracle/bin/pip install scipy==1.17.1 statsmodels==0.15.0
    oracle/bin/python bench/oracle/statistics_vectors.py src/segmentation/testdata/statistics-vectors.json
    npx biome format --write src/segmentation/testdata/statistics-vectors.json

signedRank  scipy.stats.wilcoxon: method "exact" without ties, all permutations of signs with ties (few pairs), and
            "approx" without a correction beyond 50 pairs
holm        statsmodels.stats.multitest.multipletests(method="holm")
ranks       scipy.stats.rankdata(method="average")
bootstrap   scipy.stats.bootstrap(method="percentile"), 100,000 resamples: random, so compared to some percent of the width
erfc        scipy.special.erfc
"""
import json
import pathlib
import sys

import numpy as np
from scipy import special, stats
from statsmodels.stats.multitest import multipletests


def signed_rank(rng):
    for pairs in (1, 2, 5, 9, 20, 37, 50):
        differences = rng.standard_normal(pairs) + rng.uniform(-0.6, 0.6)
        result = stats.wilcoxon(differences, method="exact")
        yield differences, result, "exact"
    for pairs in (4, 7, 11, 13):
        differences = rng.integers(-4, 5, pairs) / 8.0
        differences[0] = 0.5
        result = stats.wilcoxon(differences, method=stats.PermutationMethod(n_resamples=np.inf))
        yield differences, result, "exact"
    for pairs, rounded in ((51, False), (80, True), (400, True), (2000, False)):
        differences = rng.standard_normal(pairs) + 0.15
        if rounded:
            differences = np.round(differences * 4) / 4
        result = stats.wilcoxon(differences, method="approx", correction=False)
        yield differences, result, "normal"


def main(path):
    rng = np.random.default_rng(1945)
    tests = [{"differences": list(map(float, d)), "statistic": float(r.statistic), "p": float(r.pvalue), "method": m}
             for d, r, m in signed_rank(rng)]
    holm = []
    for count in (1, 3, 8, 30):
        p = rng.uniform(0, 1, count) ** 3
        p[0] = p[-1]
        holm.append({"p": list(map(float, p)), "corrected": list(map(float, multipletests(p, method="holm")[1]))})
    ranks = []
    for count in (1, 4, 9):
        values = rng.integers(0, 5, count)
        ranks.append({"values": [int(v) for v in values], "ranks": [float(v) for v in stats.rankdata(values)]})
    values = rng.beta(6, 2, 60)
    interval = stats.bootstrap((values,), np.mean, n_resamples=100_000, method="percentile", rng=rng).confidence_interval
    x = [0.0, 0.01, 0.5, 1.0, 1.9, 1.999999, 2.0, 2.5, 4.0, 8.0, 20.0]
    result = {"madeBy": "bench/oracle/statistics_vectors.py with SciPy and statsmodels", "signedRank": tests, "holm": holm,
              "ranks": ranks, "bootstrap": {"values": list(map(float, values)), "low": float(interval.low),
                                            "high": float(interval.high)},
              "erfc": [[v, float(special.erfc(v))] for v in x]}
    pathlib.Path(path).write_text(json.dumps(result, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
