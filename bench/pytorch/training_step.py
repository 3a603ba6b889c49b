"""The training step of bench/training-step.ts in PyTorch (any current release, CPU): prints its median as JSON.

    python3 bench/pytorch/training_step.py --base 8 --levels 4 --side 64 --threads 2 --runs 12

Both memory layouts are timed and the one that takes less of the processors is reported, since PyTorch's best is the one to compare with.
"""
import argparse
import json
import resource
import time

import torch
import torch.nn as nn
import torch.nn.functional as F

parser = argparse.ArgumentParser()
for name, default in [("base", 8), ("levels", 4), ("side", 64), ("threads", 2), ("runs", 12)]:
    parser.add_argument(f"--{name}", type=int, default=default)
parser.add_argument("--network", default="unet3d", choices=["unet3d", "segresnet3d"])
args = parser.parse_args()
torch.set_num_threads(args.threads)


def block(cin, cout, stride=1):
    return nn.Sequential(nn.Conv3d(cin, cout, 3, stride, 1), nn.InstanceNorm3d(cout, affine=True), nn.LeakyReLU(0.01))


class UNet(nn.Module):
    def __init__(self, cin=4, classes=4):
        super().__init__()
        f = [args.base * 2**level for level in range(args.levels)]
        self.down = nn.ModuleList(
            nn.Sequential(block(cin if l == 0 else f[l - 1], f[l], 1 if l == 0 else 2), block(f[l], f[l])) for l in range(args.levels)
        )
        self.up = nn.ModuleList(nn.ConvTranspose3d(f[l + 1], f[l], 2, 2) for l in range(args.levels - 1))
        self.join = nn.ModuleList(nn.Sequential(block(2 * f[l], f[l]), block(f[l], f[l])) for l in range(args.levels - 1))
        self.head = nn.Conv3d(f[0], classes, 1)

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

    def __init__(self, cin=4, classes=4):
        super().__init__()
        f = [args.base * 2**level for level in range(4)]
        self.first = nn.Conv3d(cin, f[0], 3, 1, 1, bias=False)
        down = lambda l: [] if l == 0 else [nn.Conv3d(f[l - 1], f[l], 3, 2, 1, bias=False)]
        self.down = nn.ModuleList(nn.Sequential(*down(l), *(Residual(f[l]) for _ in range(n))) for l, n in enumerate([1, 2, 2, 4]))
        self.mix = nn.ModuleList(nn.Conv3d(f[l + 1], f[l], 1, bias=False) for l in range(3))
        self.up = nn.ModuleList(Residual(f[l]) for l in range(3))
        self.head = nn.Sequential(nn.GroupNorm(8, f[0]), nn.ReLU(inplace=True), nn.Conv3d(f[0], classes, 1))

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


def loss_of(logits, y):
    p = logits.softmax(1)
    t = F.one_hot(y, logits.shape[1]).permute(0, 4, 1, 2, 3).to(p.dtype)
    axes = (0, 2, 3, 4)
    dice = (2 * (p * t).sum(axes) + 1e-5) / (p.sum(axes) + t.sum(axes) + 1e-5)
    return F.cross_entropy(logits, y) + 1 - dice[1:].mean()


def median_ms(layout):
    torch.manual_seed(1)
    net = (SegResNet() if args.network == "segresnet3d" else UNet()).to(memory_format=layout)
    optimiser = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9, nesterov=True, weight_decay=3e-5)
    side = args.side
    x = torch.randn(1, 4, side, side, side).to(memory_format=layout)
    y = (x[:, 0] > 1).long()
    times, processor = [], []
    for i in range(args.runs + 2):
        start, before = time.perf_counter(), time.process_time()
        optimiser.zero_grad(set_to_none=True)
        loss_of(net(x), y).backward()
        optimiser.step()
        if i >= 2:
            times.append(1000 * (time.perf_counter() - start))
            processor.append(1000 * (time.process_time() - before))
    return sorted(times)[len(times) // 2], sorted(processor)[len(processor) // 2]


best, processor = min((median_ms(layout) for layout in (torch.contiguous_format, torch.channels_last_3d)), key=lambda both: both[1])
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"medianMs": best, "processorMs": processor, "peakRssMb": peak, "torch": torch.__version__}))
