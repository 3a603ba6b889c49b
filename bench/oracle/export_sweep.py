"""Export each network of `export_networks.py` at every operator set that an exporter of PyTorch writes.

    python3 export_sweep.py OUT_FOLDER [--seed N] [--opsets 13,14,...] [NAME...]

For each network OUT/NAME.safetensors holds x, y, grad. and sgd. of every parameter, as `export_networks.py` has them
(float64 of PyTorch), and each export lies in OUT/NAME.EXPORTER.SET.onnx. OUT/sweep.jsonl has a line for each
attempt: network, exporter, the set that was asked for, the set that the file has, and the exporter's refusal if it
refused. `npx tsx bench/oracle/verify-sweep.ts OUT` trains each and prints the table.
"""
import argparse
import copy
import json
import os
import sys
import warnings

import onnx
import torch

from export_networks import answers, networks, prepare, save_safetensors, TRAINED_NORMS, with_first_buffers

OPSETS = range(13, 22)
LEFT_OUT = {"swin-unetr-smooth", "conv-norm"}


def export(net, x, path, exporter, opset):
    common = dict(input_names=["x"], output_names=["logits"], opset_version=opset)
    if exporter == "torchscript":
        torch.onnx.export(
            net, (x,), path, dynamo=False, do_constant_folding=False, keep_initializers_as_inputs=False,
            training=torch.onnx.TrainingMode.PRESERVE, **common,
        )
    else:
        torch.onnx.export(net, (x,), path, dynamo=True, external_data=False, verbose=False, optimize=False, **common)


def main(out, seed, opsets, only):
    warnings.filterwarnings("ignore")
    with open(f"{out}/sweep.jsonl", "a") as log:
        for name, (make, size) in networks().items():
            if name in only or not only and name not in LEFT_OUT:
                sweep(out, seed, opsets, name, make, size, log)
    return 0


def sweep(out, seed, opsets, name, make, size, log):
    net, x, y = prepare(make, size, seed, name in TRAINED_NORMS)
    tensors, losses = answers(net, x, y)
    kept = {key: value for key, value in tensors.items() if not key.startswith("adamw.") and key != "logits"}
    save_safetensors(f"{out}/{name}.safetensors", kept)
    single = copy.deepcopy(net).float()
    for exporter in ("torchscript", "dynamo"):
        for opset in opsets:
            path = f"{out}/{name}.{exporter}.{opset}.onnx"
            entry = {"network": name, "exporter": exporter, "asked": opset, "losses": losses["sgd"], "trainedNorms": net.training}
            try:
                export(copy.deepcopy(single), x.float(), path, exporter, opset)
                with_first_buffers(net, path)
                entry["opset"] = next(each.version for each in onnx.load(path).opset_import if each.domain in ("", "ai.onnx"))
            except Exception as error:
                entry["refused"] = f"{type(error).__name__}: {(str(error).strip() or '?').splitlines()[0][:200]}"
                if os.path.exists(path):
                    os.remove(path)
            print(json.dumps(entry), file=log, flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("out")
    parser.add_argument("names", nargs="*")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--opsets", default=",".join(map(str, OPSETS)))
    given = parser.parse_intermixed_args()
    sys.exit(main(given.out, given.seed, [int(each) for each in given.opsets.split(",")], set(given.names)))
