"""The networks of the side-by-side benches as PyTorch has them, and how they take our weights (any current release)."""
import json
import math

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

CHANNELS, CLASSES = 4, 4


def block(cin, cout, stride=1):
    return nn.Sequential(nn.Conv3d(cin, cout, 3, stride, 1), nn.InstanceNorm3d(cout, affine=True), nn.LeakyReLU(0.01, inplace=True))


class UNet(nn.Module):
    def __init__(self, base, levels):
        super().__init__()
        self.levels = levels
        f = [min(320, base * 2**level) for level in range(levels)]
        self.down = nn.ModuleList(
            nn.Sequential(block(CHANNELS if l == 0 else f[l - 1], f[l], 1 if l == 0 else 2), block(f[l], f[l])) for l in range(levels)
        )
        self.up = nn.ModuleList(nn.ConvTranspose3d(f[l + 1], f[l], 2, 2) for l in range(levels - 1))
        self.join = nn.ModuleList(nn.Sequential(block(2 * f[l], f[l]), block(f[l], f[l])) for l in range(levels - 1))
        self.head = nn.Conv3d(f[0], CLASSES, 1)

    def in_order(self):
        modules = [*self.down]
        for level in reversed(range(self.levels - 1)):
            modules += [self.up[level], self.join[level]]
        return [p for module in [*modules, self.head] for p in module.parameters()]

    def forward(self, x):
        skips = []
        for stage in self.down:
            x = stage(x)
            skips.append(x)
        for level in reversed(range(self.levels - 1)):
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

    def __init__(self, base):
        super().__init__()
        f = [base * 2**level for level in range(4)]
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


def load_weights(net, folder):
    """Ours come in the order in which the network is built, with their shapes: the same shapes, in the same order."""
    index = json.load(open(f"{folder}/weights.json"))
    floats = torch.from_numpy(np.fromfile(f"{folder}/weights.f32", dtype=np.float32))
    offset, targets = 0, net.in_order()
    assert len(index) == len(targets), f"{len(index)} weights against {len(targets)}"
    for entry, target in zip(index, targets):
        count = math.prod(entry["shape"])
        shape = entry["shape"] if target.dim() > 1 else [count]
        assert list(target.shape) == shape, f"{entry['name']} of {entry['shape']} against {list(target.shape)}"
        with torch.no_grad():
            target.copy_(floats[offset : offset + count].reshape(target.shape))
        offset += count


def starts_of(size, window, overlap):
    """As src/segmentation/sliding-window.ts spreads them."""
    if size <= window:
        return [(size - window) // 2]
    step = max(1, int(window * (1 - overlap)))
    count = math.ceil((size - window) / step) + 1
    return [math.floor(i * (size - window) / (count - 1) + 0.5) for i in range(count)]


def window_weights(side):
    """Gaussian, as src/segmentation/sliding-window.ts weighs a window's voxels."""
    axis = torch.exp(-0.5 * ((torch.arange(side) - (side - 1) / 2) / (side / 8)) ** 2)
    return (axis[:, None, None] * axis[None, :, None] * axis[None, None, :]).clamp_min(1e-4)
