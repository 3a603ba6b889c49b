"""Is what our gradients differ by the side of a kink on which rounding put a value?

    python3 kinks.py FOLDER NAME.EXPORTER [--seed N]

Takes a network that `export_networks.py` wrote and what `kinks.ts` wrote of our training step. PyTorch computes its
gradients in float64 twice: once as it is, and once with our float32's side of the kink (above zero or not) as the
derivative of every LeakyReLU, its own values otherwise. Prints each value whose side differs, and the largest relative
error of our gradients against both. NAME.EXPORTER.json then says `kinks`: {flips, gradients}.
"""
import argparse
import json
import sys
import warnings

import numpy as np
import torch

from export_networks import loss_of, networks, prepare


class LeakyReluWithSide(torch.autograd.Function):
    """LeakyReLU whose derivative is that of the side that is given."""

    @staticmethod
    def forward(ctx, value, above, slope):
        ctx.save_for_backward(above)
        ctx.slope = slope
        return torch.where(value > 0, value, value * slope)

    @staticmethod
    def backward(ctx, gradient):
        (above,) = ctx.saved_tensors
        return torch.where(above, gradient, gradient * ctx.slope), None, None


class Kink(torch.nn.Module):
    """Takes the sides of `sides` in turn, or its own where that is None; keeps what it saw."""

    def __init__(self, slope, seen, sides):
        super().__init__()
        self.slope, self.seen, self.sides = slope, seen, sides

    def forward(self, value):
        own = value > 0
        above = own if self.sides is None else torch.from_numpy(self.sides[len(self.seen)].reshape(value.shape) > 0)
        self.seen.append(value.detach())
        return LeakyReluWithSide.apply(value, above, self.slope)


def gradients(name, seed, sides):
    make, size = networks()[name]
    net, x, y = prepare(make, size, seed)
    seen = []
    for path, module in list(net.named_modules()):
        if isinstance(module, torch.nn.LeakyReLU):
            parent, _, own = path.rpartition(".")
            setattr(net.get_submodule(parent), own, Kink(module.negative_slope, seen, sides))
    loss_of(net(x), y).backward()
    return {key: value.grad.flatten() for key, value in net.named_parameters(remove_duplicate=False) if value.grad is not None}, seen


def worst(ours, theirs):
    """Gradients that are noise beside the others say nothing, as in `model verify`."""
    largest = max(value.abs().max() for value in theirs.values())
    real = {key: value for key, value in theirs.items() if key in ours and value.abs().max() >= 1e-6 * largest}
    errors = {key: ((ours[key] - value).abs().max() / value.abs().max()).item() for key, value in real.items()}
    return max(errors.items(), key=lambda item: item[1])


def main(folder, name, seed):
    warnings.filterwarnings("ignore")
    with open(f"{folder}/{name}.kinks.json") as file:
        index = json.load(file)
    values = np.fromfile(f"{folder}/{name}.kinks.f32", dtype=np.float32)
    entries = index["entries"]
    at = sum(entry["length"] for entry in entries)
    ours = {e["name"]: torch.from_numpy(values[e["offset"] : e["offset"] + e["length"]]).double() for e in entries}
    sides = []
    for _, count in index["kinks"]:
        sides.append(values[at : at + count])
        at += count
    network = name.rpartition(".")[0]
    own, seen = gradients(network, seed, None)
    flips = 0
    for (tensor, _), side, value in zip(index["kinks"], sides, seen, strict=True):
        side = torch.from_numpy(side.reshape(value.shape))
        for index_of in ((side > 0) != (value > 0)).nonzero().tolist():
            flips += 1
            where = tuple(index_of)
            print(f"{tensor} {index_of}: ours {side[where].item():.2e}, float64 {value[where].item():.2e}")
    with_ours, _ = gradients(network, seed, sides)
    for title, reference in (("each its own side", own), ("our side of each kink", with_ours)):
        key, error = worst(ours, reference)
        print(f"{title}: largest relative error of a gradient {error:.1e} ({key})")
    with open(f"{folder}/{name}.json") as file:
        answers = json.load(file)
    with open(f"{folder}/{name}.json", "w") as file:
        json.dump({**answers, "kinks": {"flips": flips, "gradients": worst(ours, with_ours)[1]}}, file, indent=1)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("name")
    parser.add_argument("--seed", type=int, default=7)
    given = parser.parse_args()
    sys.exit(main(given.folder, given.name, given.seed))
