"""Modified z-scores (Iglewicz and Hoaglin 1993) and percentiles by Python's own statistics, for find-outliers.test.ts.

    python3 bench/oracle/outlier_vectors.py > src/imaging/testdata/outlier-vectors.json
"""

import json
import random
import statistics


def scores(values):
    middle = statistics.median(values)
    distances = [abs(value - middle) for value in values]
    spread = statistics.median(distances)
    scale = spread / 0.6745 if spread > 0 else 1.2533 * statistics.fmean(distances)
    return [0 if scale == 0 else (value - middle) / scale for value in values]


random.seed(5)
series = [
    [random.gauss(1400, 90) for _ in range(9)] + [610.0],
    [random.lognormvariate(3, 0.8) for _ in range(12)],
    [1.0] * 9 + [5.0],
    [2.0, 2.0, 2.0, 2.0],
    [-1.5, 0.25, 0.5, 3.0, 99.0],
]
brightness = [round(8 * random.lognormvariate(4, 1)) / 8 for _ in range(57)]
cuts = statistics.quantiles(brightness, n=100, method="inclusive")
print(
    json.dumps(
        {
            "scores": [{"values": values, "z": scores(values)} for values in series],
            "percentiles": {"values": brightness, "median": statistics.median(brightness), "p99": cuts[98]},
        }
    )
)
