"""Writes src/privacy/testdata/dp-accounting-vectors.json: epsilons by Google's dp-accounting.

    python -m venv oracle && oracle/bin/pip install dp-accounting==0.6.0
    oracle/bin/python bench/oracle/dp_accounting_vectors.py src/privacy/testdata/dp-accounting-vectors.json
    npx biome format --write src/privacy/testdata/dp-accounting-vectors.json

Add-or-remove-one, default orders, default discretisation. Tails of the normal distribution are SciPy's.
"""
import json
import sys

import dp_accounting as dpa
import numpy as np
from absl import logging
from dp_accounting import pld, rdp
from scipy import special

logging.set_verbosity(logging.ERROR)

NOISE = [0.6, 0.8, 1.0, 1.1, 1.5, 2.0, 4.0, 10.0]
RATES = [1.0, 0.25, 0.1, 0.01, 0.001]
STEPS = [1, 30, 1000, 10000]
DELTAS = [1e-3, 1e-5, 1e-9]
LARGEST_EPSILON = 60


def gaussian(noise):
    return {"kind": "gaussian", "noiseMultiplier": noise}


def sampled(noise, rate):
    return gaussian(noise) if rate == 1 else {"kind": "poissonSampled", "samplingRate": rate, "event": gaussian(noise)}


def repeated(event, count):
    return {"kind": "selfComposed", "count": count, "event": event}


def theirs(event):
    if event["kind"] == "gaussian":
        return dpa.GaussianDpEvent(event["noiseMultiplier"])
    if event["kind"] == "poissonSampled":
        return dpa.PoissonSampledDpEvent(event["samplingRate"], theirs(event["event"]))
    if event["kind"] == "selfComposed":
        return dpa.SelfComposedDpEvent(theirs(event["event"]), event["count"])
    return dpa.ComposedDpEvent([theirs(each) for each in event["events"]])


def account(event):
    ours = theirs(event)
    renyi = rdp.RdpAccountant(neighboring_relation=dpa.NeighboringRelation.ADD_OR_REMOVE_ONE)
    renyi.compose(ours)
    if renyi.get_epsilon(DELTAS[0]) > LARGEST_EPSILON:
        return None
    losses = pld.PLDAccountant(neighboring_relation=dpa.NeighboringRelation.ADD_OR_REMOVE_ONE)
    losses.compose(ours)
    rows = []
    for delta in DELTAS:
        epsilon, order = renyi.get_epsilon_and_optimal_order(delta)
        rows.append({"delta": delta, "rdp": float(epsilon), "order": float(order), "pld": float(losses.get_epsilon(delta))})
    return {"event": event, "epsilons": rows}


events = [repeated(sampled(noise, rate), count) for noise in NOISE for rate in RATES for count in STEPS]
events += [
    {"kind": "composed", "events": [repeated(sampled(1.1, 0.01), 2000), repeated(gaussian(5.0), 20)]},
    {"kind": "composed", "events": [repeated(sampled(0.8, 0.02), 300), repeated(sampled(1.3, 0.005), 4000)]},
    repeated({"kind": "composed", "events": [sampled(1.0, 0.05), sampled(2.0, 0.2), gaussian(20.0)]}, 50),
]
settings = [row for row in map(account, events) if row is not None]
points = np.concatenate([np.linspace(-9, 9, 37), [15.0, 25.0, 37.5]])
tails = [{"z": float(z), "upperTail": float(special.ndtr(-z)), "logErfc": float(np.log(2) + special.log_ndtr(-z * 2**0.5))} for z in points]
with open(sys.argv[1], "w") as out:
    json.dump({"settings": settings, "tails": tails}, out)
print(len(settings) * len(DELTAS), "settings")
