"""Export small networks around single operators from PyTorch, at every operator set that its exporters write.

    python3 export_operators.py OUT_FOLDER [--opsets 13,17,18,21] [NAME...]

Needs what export_networks.py needs. Each network is a convolution, the operation, and a convolution, so that the
gradients of the first are those through the operation. The files are those of export_networks.py:
`npx tsx bench/oracle/verify-networks.ts OUT` compares logits, gradients and three steps of two optimisers.
TorchScript's exporter writes operator sets up to 20, the dynamo exporter 18 and later.
"""
import argparse
import copy
import json
import sys
import warnings

import torch
import torch.nn.functional as F
from torch import nn

from export_networks import answers, float32_errors, save_safetensors, under_exported_names

WIDTH, CLASSES = 4, 3
TORCHSCRIPT_LAST, DYNAMO_FIRST = 20, 18
CONVOLUTIONS = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
SIZES = {1: (12,), 2: (8, 12), 3: (4, 6, 8)}


class Around(nn.Module):
    """First convolution, what is tested, last convolution."""

    def __init__(self, dims, inner, width=WIDTH, out=None):
        super().__init__()
        self.first = CONVOLUTIONS[dims](2, width, 3, padding=1)
        self.inner = inner if isinstance(inner, nn.Module) else Called(inner)
        self.last = CONVOLUTIONS[dims](width if out is None else out, CLASSES, 1)

    def forward(self, x):
        return self.last(self.inner(self.first(x)))


class Called(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


class Token(nn.Module):
    """A module over [N, L, C] between convolutions."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        tokens = self.inner(x.flatten(2).transpose(1, 2))
        return tokens.transpose(1, 2).reshape(x.shape)


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(WIDTH, 2, batch_first=True)

    def forward(self, x):
        return self.attention(x, x, x, need_weights=False)[0]


class Scaled(nn.Module):
    """Query, key and value of their own, through PyTorch's fused attention."""

    def __init__(self):
        super().__init__()
        self.project = nn.Linear(WIDTH, 3 * WIDTH)

    def forward(self, x):
        q, k, v = self.project(x).chunk(3, -1)
        return F.scaled_dot_product_attention(q[:, None], k[:, None], v[:, None])[:, 0]


class Learned(nn.Module):
    """An operation of the input and a parameter of its own."""

    def __init__(self, function, *shape):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(shape))
        self.function = function

    def forward(self, x):
        return self.function(x, self.weight)


def elementwise():
    positive = lambda x: x.abs() + 0.5
    return {
        "abs": torch.abs, "neg": torch.neg, "sqrt": lambda x: positive(x).sqrt(), "exp": torch.exp,
        "log": lambda x: positive(x).log(), "erf": torch.erf, "reciprocal": lambda x: positive(x).reciprocal(),
        "rsqrt": lambda x: positive(x).rsqrt(), "sign": lambda x: x * x.sign(), "pow2": lambda x: x**2,
        "pow3": lambda x: x.pow(3.0), "pow-half": lambda x: positive(x) ** 0.5, "square": torch.square,
        "clip": lambda x: x.clamp(-0.3, 0.4), "clip-min": lambda x: x.clamp(min=0.1), "fmod": lambda x: torch.fmod(x, 0.7),
        "remainder": lambda x: torch.remainder(x, 0.7), "sin": torch.sin, "cos": torch.cos,
        "where": lambda x: torch.where(x > 0.1, x * 2, x - 1), "masked-fill": lambda x: x.masked_fill(x < 0, -0.5),
        "logic": lambda x: torch.where((x > 0) & ~(x > 0.5) | (x < -0.5), x, -x), "floor": lambda x: x - x.floor(),
        "round": lambda x: x * x.round(), "to": lambda x: x.to(torch.float32).to(x.dtype), "expm1": torch.expm1,
        "log1p": lambda x: torch.log1p(x.abs()), "addcmul": lambda x: torch.addcmul(x, x, x, value=0.3),
        "lerp": lambda x: torch.lerp(x, x * x, 0.3), "tan": lambda x: torch.tan(0.3 * x), "atan": torch.atan,
    }


def pairs():
    return {
        "add": lambda x, w: x + w, "sub": lambda x, w: w - x, "mul": lambda x, w: x * w, "div": lambda x, w: x / (w.abs() + 1),
        "min": torch.minimum, "max": torch.maximum, "pow-of": lambda x, w: (x.abs() + 0.5) ** w,
        "sum-of-three": lambda x, w: sum([x, w, x * w]), "mean-of-stack": lambda x, w: torch.stack([x, w.expand_as(x)]).mean(0),
        "expand": lambda x, w: x + w.expand(2, WIDTH, 8, 12), "einsum": lambda x, w: torch.einsum("nchw,cd->ndhw", x, w[0, :, :, 0].expand(WIDTH, WIDTH)),
    }


def activations():
    return {
        "relu": nn.ReLU(), "leaky-relu": nn.LeakyReLU(0.1), "prelu": nn.PReLU(WIDTH), "prelu-one": nn.PReLU(), "elu": nn.ELU(0.7), "selu": nn.SELU(),
        "celu": nn.CELU(0.7), "sigmoid": nn.Sigmoid(), "hard-sigmoid": nn.Hardsigmoid(), "hard-swish": nn.Hardswish(), "mish": nn.Mish(),
        "softplus": nn.Softplus(), "softplus-beta": nn.Softplus(2), "softsign": nn.Softsign(), "tanh": nn.Tanh(), "gelu": nn.GELU(),
        "gelu-tanh": nn.GELU("tanh"), "silu": nn.SiLU(), "softmax": nn.Softmax(1), "log-softmax": nn.LogSoftmax(1), "relu6": nn.ReLU6(),
        "hard-tanh": nn.Hardtanh(), "log-sigmoid": nn.LogSigmoid(), "glu": lambda x: F.glu(torch.cat([x, x * x], 1), 1), "rrelu": nn.RReLU(),
        "threshold": nn.Threshold(0.1, 0.2), "tanhshrink": nn.Tanhshrink(), "hardshrink": nn.Hardshrink(0.2), "softshrink": nn.Softshrink(0.2),
    }


def norms():
    return {
        "instance-norm": nn.InstanceNorm2d(WIDTH), "instance-norm-affine": nn.InstanceNorm2d(WIDTH, affine=True), "batch-norm-frozen": nn.BatchNorm2d(WIDTH),
        "group-norm": nn.GroupNorm(2, WIDTH), "group-norm-one": nn.GroupNorm(1, WIDTH), "layer-norm": Token(nn.LayerNorm(WIDTH)),
        "layer-norm-plain": Token(nn.LayerNorm(WIDTH, elementwise_affine=False)), "rms-norm": Token(nn.RMSNorm(WIDTH)),
        "local-response": nn.LocalResponseNorm(3), "normalize": lambda x: F.normalize(x, dim=1), "dropout-evaluated": nn.Dropout(0.3),
    }


def pools():
    up = lambda pool: lambda x: F.interpolate(pool(x), size=x.shape[2:])
    return {
        "max-pool": up(nn.MaxPool2d(2)), "max-pool-overlap": up(nn.MaxPool2d(3, 2, 1)), "max-pool-dilated": up(nn.MaxPool2d(2, 2, dilation=2)),
        "max-pool-ceil": up(nn.MaxPool2d(3, 2, ceil_mode=True)), "average-pool": up(nn.AvgPool2d(2)), "average-pool-padded": up(nn.AvgPool2d(3, 2, 1)),
        "average-pool-inside": up(nn.AvgPool2d(3, 2, 1, count_include_pad=False)), "average-pool-ceil": up(nn.AvgPool2d(3, 2, ceil_mode=True)),
        "global-average": lambda x: x + F.adaptive_avg_pool2d(x, 1), "global-max": lambda x: x + F.adaptive_max_pool2d(x, 1),
        "adaptive-average": up(lambda x: F.adaptive_avg_pool2d(x, (4, 6))), "adaptive-max": up(lambda x: F.adaptive_max_pool2d(x, (4, 6))),
        "lp-pool": up(nn.LPPool2d(2, 2)),
    }


def reductions():
    return {
        "reduce-sum": lambda x: x + x.sum((2, 3), keepdim=True), "reduce-mean": lambda x: x + x.mean(1, keepdim=True), "reduce-max": lambda x: x + x.amax((2, 3), keepdim=True),
        "reduce-min": lambda x: x + x.amin(1, keepdim=True), "reduce-max-dim": lambda x: x + x.max(2, keepdim=True).values, "reduce-l2": lambda x: x + x.norm(dim=1, keepdim=True),
        "reduce-l1": lambda x: x + x.norm(p=1, dim=1, keepdim=True), "variance": lambda x: x + x.var((2, 3), keepdim=True), "std": lambda x: x / (x.std(1, keepdim=True) + 1),
        "logsumexp": lambda x: x - x.logsumexp(1, keepdim=True), "prod": lambda x: x + x.prod(1, keepdim=True), "mean-all": lambda x: x - x.mean(),
        "cumsum": lambda x: x.cumsum(2),
    }


def layouts():
    index = torch.tensor([2, 0, 3, 1])
    return {
        "concat": (lambda x: torch.cat([x, x * x], 1), 2 * WIDTH), "split": lambda x: torch.cat(x.split([1, 3], 1)[::-1], 1), "chunk": lambda x: x.chunk(2, 1)[0] * x.chunk(2, 1)[1], "unbind": lambda x: torch.stack(x.unbind(1)[::-1], 1),
        "slice": lambda x: F.pad(x[:, :, 1:-1, ::2], (0, 6, 1, 1)), "flip": lambda x: x.flip(2) + x.flip((2, 3)), "roll": lambda x: torch.roll(x, (1, -2), (2, 3)),
        "pad": lambda x: F.pad(x, (1, 2, 0, 1))[:, :, :8, :12], "pad-reflect": lambda x: F.pad(x, (2, 1, 1, 2), "reflect")[:, :, :8, :12], "pad-edge": lambda x: F.pad(x, (2, 1, 1, 2), "replicate")[:, :, :8, :12],
        "pad-circular": lambda x: F.pad(x, (2, 1, 1, 2), "circular")[:, :, :8, :12], "crop-by-pad": lambda x: F.pad(F.pad(x, (-1, -1, -1, 0)), (1, 1, 1, 0)),
        "reshape": lambda x: x.reshape(2, -1, 8, 6, 2).flatten(3), "view-permute": lambda x: x.view(2, 2, 2, 8, 12).permute(0, 2, 1, 3, 4).reshape(2, 4, 8, 12), "squeeze": lambda x: x.unsqueeze(0).squeeze(0) + x.mean(1, keepdim=True).squeeze(1).unsqueeze(1),
        "transpose": lambda x: x.transpose(1, 2).contiguous().transpose(1, 2), "tile": lambda x: x.mean((2, 3), keepdim=True).repeat(1, 1, 8, 12), "gather": lambda x: x[:, index], "index-select": lambda x: x.index_select(1, index),
        "gather-elements": lambda x: x.gather(1, index.view(1, 4, 1, 1).expand(2, 4, 8, 12)), "gather-nd": lambda x: x[:, index, :, :][torch.tensor([1, 0])], "index-grid": lambda x: x[:, :, torch.arange(8).view(8, 1), torch.arange(12).view(1, 12)],
        "scatter-add": lambda x: torch.zeros_like(x).scatter_add(1, index.view(1, 4, 1, 1).expand(2, 4, 8, 12), x), "scatter": lambda x: x.scatter(1, index[:1].view(1, 1, 1, 1).expand(2, 1, 8, 12), x[:, :1] * 2), "assign": lambda x: assigned(x), "index-put": lambda x: x.index_put((torch.tensor([0, 1]),), x[:2] * 2),
        "tril": lambda x: x.tril() + x.triu(1) * 2, "pixel-shuffle": (lambda x: F.interpolate(F.pixel_shuffle(x, 2), size=x.shape[2:]), 1), "pixel-unshuffle": (lambda x: F.interpolate(F.pixel_unshuffle(x, 2), size=x.shape[2:]), 4 * WIDTH),
        "channel-shuffle": nn.ChannelShuffle(2), "repeat-interleave": lambda x: x.repeat_interleave(2, 2)[:, :, ::2], "unfold": lambda x: F.fold(F.unfold(x, 2, stride=2), (8, 12), 2, stride=2), "meshgrid": lambda x: x + torch.meshgrid(torch.arange(8.0), torch.arange(12.0), indexing="ij")[0].to(x.dtype),
    }


def assigned(x):
    y = x.clone()
    y[:, 0] = x[:, 1] * x[:, 2]
    return y


def resizes():
    made = {}
    for mode, dims in (("nearest", 2), ("nearest-exact", 2), ("bilinear", 2), ("bicubic", 2), ("area", 2), ("trilinear", 3)):
        aligns = (False, True) if "linear" in mode or "cubic" in mode else (None,)
        for align in aligns:
            more = {} if align is None else {"align_corners": align}
            name = f"resize-{mode}" + ("-align" if align else "")
            by = (2, 1.5) if dims == 2 else (2, 1.5, 1.25)
            sizes = (12, 10) if dims == 2 else (6, 3, 10)
            if mode != "area":
                made[f"{name}-scales"] = (dims, lambda x, m=mode, k=more, s=by: F.interpolate(x, scale_factor=s, mode=m, **k))
            made[f"{name}-sizes"] = (dims, lambda x, m=mode, k=more, s=sizes: F.interpolate(x, size=s, mode=m, **k))
    made["resize-antialias"] = (2, lambda x: F.interpolate(x, size=(5, 7), mode="bilinear", antialias=True))
    made["grid-sample"] = (2, lambda x: F.grid_sample(x, torch.stack(torch.meshgrid(torch.linspace(-1, 1, 12), torch.linspace(-1, 1, 8), indexing="xy"), -1)[None].expand(2, -1, -1, -1).to(x.dtype) * 0.9, align_corners=True))
    return made


def convolutions():
    made = {}
    for dims, make, back in ((1, nn.Conv1d, nn.ConvTranspose1d), (2, nn.Conv2d, nn.ConvTranspose2d), (3, nn.Conv3d, nn.ConvTranspose3d)):
        made[f"conv{dims}d-stride"] = (dims, nn.Sequential(make(WIDTH, 6, 3, 2, 1), back(6, WIDTH, 2, 2)))
        made[f"conv{dims}d-dilated"] = (dims, make(WIDTH, WIDTH, 3, padding=2, dilation=2))
        made[f"conv{dims}d-groups"] = (dims, make(WIDTH, WIDTH, 3, padding=1, groups=2, bias=False))
        made[f"conv{dims}d-depthwise"] = (dims, make(WIDTH, 2 * WIDTH, 3, padding=1, groups=WIDTH), 2 * WIDTH)
        made[f"conv{dims}d-same"] = (dims, make(WIDTH, WIDTH, 4, padding="same"))
        made[f"conv{dims}d-circular"] = (dims, make(WIDTH, WIDTH, 3, padding=1, padding_mode="circular"))
        made[f"conv{dims}d-transposed"] = (dims, back(WIDTH, WIDTH, 3, 2, 1, output_padding=1))
        made[f"conv{dims}d-transposed-groups"] = (dims, back(WIDTH, WIDTH, 3, 1, 1, groups=2, dilation=1))
    made["conv3d-asymmetric"] = (3, nn.Conv3d(WIDTH, WIDTH, (1, 3, 5), padding=(0, 1, 2)))
    return made


def tokens():
    return {
        "linear": Token(nn.Linear(WIDTH, WIDTH)), "linear-no-bias": Token(nn.Linear(WIDTH, WIDTH, bias=False)), "bilinear-matmul": Token(Called(lambda x: x @ (x.transpose(1, 2) @ x))),
        "attention": Token(Attention()), "scaled-attention": Token(Scaled()), "transformer-layer": Token(nn.TransformerEncoderLayer(WIDTH, 2, 8, 0.0, batch_first=True)),
        "bmm": Token(Called(lambda x: torch.bmm(x, x[:, :WIDTH]))), "baddbmm": Token(Called(lambda x: torch.baddbmm(x, x, x[:, :WIDTH]))), "embedding": Token(Positions()),
    }


class Positions(nn.Module):
    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(200, WIDTH)

    def forward(self, x):
        return x + self.table(torch.arange(x.shape[1]))


def cases():
    made = {name: (2, function, WIDTH) for group in (elementwise(), activations(), norms(), pools(), reductions(), tokens()) for name, function in group.items()}
    made |= {name: (2, Learned(function, 1, WIDTH, 1, 1), WIDTH) for name, function in pairs().items()}
    made |= {name: (2, *each) if isinstance(each, tuple) else (2, each, WIDTH) for name, each in layouts().items()}
    made |= {name: (*each, WIDTH) for name, each in resizes().items()}
    made |= {name: each if len(each) == 3 else (*each, WIDTH) for name, each in convolutions().items()}
    return made


def targets(y, shape):
    """Labels of the output's size."""
    return (torch.randn(shape[0], *shape[2:]) * 1.5).round().long().clamp(0, CLASSES - 1)


def main(out, opsets, only):
    warnings.filterwarnings("ignore")
    refused = 0
    for name, (dims, inner, width) in cases().items():
        if only and name not in only:
            continue
        torch.manual_seed(3)
        net = Around(dims, copy.deepcopy(inner), out=width).double().eval()
        for value in [*net.parameters(), *net.buffers()]:
            if value.dtype.is_floating_point:
                value.data = value.data.float().double()
        x = torch.randn(2, 2, *SIZES[dims]).float().double()
        try:
            y = targets(x, net(x).shape)
            tensors, losses = answers(net, x, y)
            single = float32_errors(copy.deepcopy(net), x, y, tensors)
        except Exception as error:
            print(f"{name}: not computed: {str(error).splitlines()[0][:200]}", flush=True)
            refused += 1
            continue
        for opset in opsets:
            for exporter in ("torchscript", "dynamo"):
                if (exporter == "torchscript" and opset > TORCHSCRIPT_LAST) or (exporter == "dynamo" and opset < DYNAMO_FIRST):
                    continue
                path = f"{out}/{name}.{exporter}.{opset}"
                try:
                    export_at(copy.deepcopy(net).float(), x.float(), path + ".onnx", exporter, opset)
                except Exception as error:
                    print(f"{name} {exporter} {opset}: not exported: {str(error).strip().splitlines()[0][:200]}", flush=True)
                    continue
                save_safetensors(path + ".safetensors", under_exported_names(net, tensors, path + ".onnx"))
                with open(path + ".json", "w") as file:
                    json.dump({"loss": losses, "float32": single}, file, indent=1)
    return 1 if refused else 0


def export_at(net, x, path, exporter, opset):
    common = dict(input_names=["x"], output_names=["logits"], opset_version=opset)
    if exporter == "torchscript":
        torch.onnx.export(net, (x,), path, dynamo=False, do_constant_folding=False, training=torch.onnx.TrainingMode.PRESERVE, **common)
    else:
        torch.onnx.export(net, (x,), path, dynamo=True, external_data=False, verbose=False, optimize=False, **common)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("out")
    parser.add_argument("names", nargs="*")
    parser.add_argument("--opsets", default="13,17,18,21")
    given = parser.parse_intermixed_args()
    sys.exit(main(given.out, [int(each) for each in given.opsets.split(",")], set(given.names)))
