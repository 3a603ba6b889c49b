"""PyTorch's side of one piece of work of bench/side-by-side.ts, in a process of its own (any current release, CPU).

    python3 bench/pytorch/worker.py --network unet3d --base 16 --levels 4 --side 64 --kind step --threads 2 \
        --layout contiguous --folder FOLDER

Reads weights and image from the folder that our side wrote them to. For each line "go" it does one turn, a training
step or a window of a volume, and answers a line of JSON {ms, processorMs, value, peakRssMb}.
"""
import argparse
import json
import math
import resource
import sys
import time

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

parser = argparse.ArgumentParser()
for name in ["base", "levels", "side", "threads"]:
    parser.add_argument(f"--{name}", type=int, required=True)
parser.add_argument("--network", required=True, choices=["unet3d", "segresnet3d"])
parser.add_argument("--kind", required=True, choices=["step", "window"])
parser.add_argument("--layout", required=True, choices=["contiguous", "channels_last_3d"])
parser.add_argument("--folder", required=True)
args = parser.parse_args()
torch.set_num_threads(args.threads)
CHANNELS, CLASSES = 4, 4
VOLUME = (155, 240, 240)  # D, H, W
LAYOUT = torch.contiguous_format if args.layout == "contiguous" else torch.channels_last_3d


def block(cin, cout, stride=1):
    return nn.Sequential(nn.Conv3d(cin, cout, 3, stride, 1), nn.InstanceNorm3d(cout, affine=True), nn.LeakyReLU(0.01, inplace=True))


class UNet(nn.Module):
    def __init__(self):
        super().__init__()
        f = [min(320, args.base * 2**level) for level in range(args.levels)]
        self.down = nn.ModuleList(
            nn.Sequential(block(CHANNELS if l == 0 else f[l - 1], f[l], 1 if l == 0 else 2), block(f[l], f[l])) for l in range(args.levels)
        )
        self.up = nn.ModuleList(nn.ConvTranspose3d(f[l + 1], f[l], 2, 2) for l in range(args.levels - 1))
        self.join = nn.ModuleList(nn.Sequential(block(2 * f[l], f[l]), block(f[l], f[l])) for l in range(args.levels - 1))
        self.head = nn.Conv3d(f[0], CLASSES, 1)

    def in_order(self):
        modules = [*self.down]
        for level in reversed(range(args.levels - 1)):
            modules += [self.up[level], self.join[level]]
        return [p for module in [*modules, self.head] for p in module.parameters()]

    def forward(self, x):
        skips = []
        for stage in self.down:
            x = stage(x)
            skips.append(x)
        for level in reversed(range(args.levels - 1)):
            x = self.join[level](torch.cat([self.up[level](x), skips[level]], 1))
        return self.head(x)


class Residual(nn.Module):
    def __init__(self, width):
        super().__init__()
        part = lambda: [nn.GroupNorm(8, width), nn.ReLU(inplace=True), nn.Conv3d(width, width, 3, 1, 1, bias=False)]
        self.body = nn.Sequential(*part(), *part())

    def forward(self, x):
        return x + self.body(x)


class SegResNet(nn.Module):
    """MONAI's SegResNet with blocks_down 1, 2, 2, 4 and blocks_up 1, 1, 1."""

    def __init__(self):
        super().__init__()
        f = [args.base * 2**level for level in range(4)]
        self.first = nn.Conv3d(CHANNELS, f[0], 3, 1, 1, bias=False)
        down = lambda l: [] if l == 0 else [nn.Conv3d(f[l - 1], f[l], 3, 2, 1, bias=False)]
        self.down = nn.ModuleList(nn.Sequential(*down(l), *(Residual(f[l]) for _ in range(n))) for l, n in enumerate([1, 2, 2, 4]))
        self.mix = nn.ModuleList(nn.Conv3d(f[l + 1], f[l], 1, bias=False) for l in range(3))
        self.up = nn.ModuleList(Residual(f[l]) for l in range(3))
        self.head = nn.Sequential(nn.GroupNorm(8, f[0]), nn.ReLU(inplace=True), nn.Conv3d(f[0], CLASSES, 1))

    def in_order(self):
        modules = [self.first, *self.down]
        for l in reversed(range(3)):
            modules += [self.mix[l], self.up[l]]
        return [p for module in [*modules, self.head] for p in module.parameters()]

    def forward(self, x):
        x = self.first(x)
        skips = []
        for stage in self.down:
            x = stage(x)
            skips.append(x)
        for l in reversed(range(3)):
            x = F.interpolate(self.mix[l](x), scale_factor=2, mode="trilinear", align_corners=False)
            x = self.up[l](x + skips[l])
        return self.head(x)


def load_weights(net):
    """Ours come in the order in which the network is built, with their shapes: the same shapes, in the same order."""
    index = json.load(open(f"{args.folder}/weights.json"))
    floats = torch.from_numpy(np.fromfile(f"{args.folder}/weights.f32", dtype=np.float32))
    offset, targets = 0, net.in_order()
    assert len(index) == len(targets), f"{len(index)} weights against {len(targets)}"
    for entry, target in zip(index, targets):
        count = math.prod(entry["shape"])
        shape = entry["shape"] if target.dim() > 1 else [count]
        assert list(target.shape) == shape, f"{entry['name']} of {entry['shape']} against {list(target.shape)}"
        with torch.no_grad():
            target.copy_(floats[offset : offset + count].reshape(target.shape))
        offset += count


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


def starts_of(size, window, overlap):
    """As src/segmentation/sliding-window.ts spreads them."""
    if size <= window:
        return [(size - window) // 2]
    step = max(1, int(window * (1 - overlap)))
    count = math.ceil((size - window) / step) + 1
    return [math.floor(i * (size - window) / (count - 1) + 0.5) for i in range(count)]


@torch.inference_mode()
def windows(net):
    side = args.side
    image = torch.from_numpy(np.fromfile(f"{args.folder}/image.f32", dtype=np.float32).reshape(CHANNELS, *VOLUME))
    axis = torch.exp(-0.5 * ((torch.arange(side) - (side - 1) / 2) / (side / 8)) ** 2)
    gaussian = (axis[:, None, None] * axis[None, :, None] * axis[None, None, :]).clamp_min(1e-4)
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


net = (SegResNet() if args.network == "segresnet3d" else UNet()).to(memory_format=LAYOUT)
load_weights(net)
steps(net) if args.kind == "step" else windows(net.eval())
