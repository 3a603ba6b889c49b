"""PyTorch's side of one piece of work of bench/side-by-side.ts, in a process of its own (any current release, CPU).

    python3 bench/pytorch/worker.py --network unet3d --base 16 --levels 4 --side 64 --kind step --threads 2 \
        --layout contiguous --folder FOLDER

Reads weights and image from the folder that our side wrote them to. For each line "go" it does one turn, a training
step or a window of a volume, and answers a line of JSON {ms, processorMs, value, peakRssMb}.
"""
import argparse
import json
import resource
import sys
import time

import numpy as np
import torch
import torch.nn.functional as F

from networks import CHANNELS, CLASSES, SegResNet, UNet, load_weights, starts_of, window_weights

parser = argparse.ArgumentParser()
for name in ["base", "levels", "side", "threads"]:
    parser.add_argument(f"--{name}", type=int, required=True)
parser.add_argument("--network", required=True, choices=["unet3d", "segresnet3d"])
parser.add_argument("--kind", required=True, choices=["step", "window"])
parser.add_argument("--layout", required=True, choices=["contiguous", "channels_last_3d"])
parser.add_argument("--folder", required=True)
args = parser.parse_args()
torch.set_num_threads(args.threads)
VOLUME = (155, 240, 240)  # D, H, W
LAYOUT = torch.contiguous_format if args.layout == "contiguous" else torch.channels_last_3d


def loss_of(logits, y):
    p = logits.softmax(1)
    t = F.one_hot(y, logits.shape[1]).permute(0, 4, 1, 2, 3).to(p.dtype)
    axes = (0, 2, 3, 4)
    dice = (2 * (p * t).sum(axes) + 1e-5) / (p.sum(axes) + t.sum(axes) + 1e-5)
    return F.cross_entropy(logits, y) + 1 - dice[1:].mean()


class Turn:
    def __enter__(self):
        self.at, self.processor = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *_):
        ms, processor = 1000 * (time.perf_counter() - self.at), 1000 * (time.process_time() - self.processor)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps({"ms": ms, "processorMs": processor, "value": self.value, "peakRssMb": peak}), flush=True)


def next_turn():
    return sys.stdin.readline() != ""


def steps(net):
    side = args.side
    image = np.fromfile(f"{args.folder}/image.f32", dtype=np.float32).reshape(1, CHANNELS, side, side, side)
    labels = np.fromfile(f"{args.folder}/labels.u8", dtype=np.uint8).reshape(1, side, side, side)
    x = torch.from_numpy(image).to(memory_format=LAYOUT)
    y = torch.from_numpy(labels).long()
    optimiser = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9, nesterov=True, weight_decay=3e-5)
    print("ready", flush=True)
    while next_turn():
        with Turn() as turn:
            optimiser.zero_grad(set_to_none=True)
            loss = loss_of(net(x), y)
            loss.backward()
            optimiser.step()
            turn.value = loss.item()


@torch.inference_mode()
def windows(net):
    side = args.side
    image = torch.from_numpy(np.fromfile(f"{args.folder}/image.f32", dtype=np.float32).reshape(CHANNELS, *VOLUME))
    gaussian = window_weights(side)
    sums, weights = torch.zeros(CLASSES, *VOLUME), torch.zeros(VOLUME)
    zs, ys, xs = (starts_of(size, side, 0.5) for size in VOLUME)
    print("ready", flush=True)
    for z in zs:
        for y in ys:
            for x in xs:
                if not next_turn():
                    raise SystemExit("the volume was left before its end")
                with Turn() as turn:
                    at = (slice(z, z + side), slice(y, y + side), slice(x, x + side))
                    logits = net(image[(slice(None), *at)].contiguous()[None].to(memory_format=LAYOUT))[0]
                    sums[(slice(None), *at)] += gaussian * logits.softmax(0)
                    weights[at] += gaussian
                    turn.value = logits.reshape(-1)[0].item()
    sums /= weights
    checksum = (sums.reshape(-1).double() * (torch.arange(sums.numel()) % 7)).sum().item()
    print(json.dumps({"checksum": checksum}), flush=True)


net = SegResNet(args.base) if args.network == "segresnet3d" else UNet(args.base, args.levels)
net = net.to(memory_format=LAYOUT)
load_weights(net, args.folder)
steps(net) if args.kind == "step" else windows(net.eval())
