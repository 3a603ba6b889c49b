"""Export networks that hospitals use from PyTorch, with the answers that a training step must give.

    python3 export_networks.py OUT_FOLDER [--seed N] [NAME...]

Needs torch, monai, onnx and onnxscript (and dynamic_network_architectures for nnU-Net's PlainConvUNet), all from PyPI.
Each network is exported by the TorchScript exporter (opset 17) and by the dynamo exporter (opset 18) at a tiny size,
initialised by seed. Beside OUT/NAME.EXPORTER.onnx lie

  NAME.EXPORTER.safetensors  x [N,C,...] and y [N,...]; logits; grad., sgd. and adamw. of every parameter, by initializer
  NAME.EXPORTER.json         losses, and how far PyTorch's own float32 is from its float64

The loss is softmax cross-entropy (mean over voxels) plus one minus soft Dice (mean over classes 1..K-1, sums over batch
and voxels, 1e-5 added above and below). sgd. are the parameters after three steps of SGD(0.02, momentum 0.9, Nesterov,
weight decay 3e-5), adamw. after three of AdamW(1e-3, weight decay 1e-2), on the same batch. PyTorch computes in float64.
`npx tsx bench/oracle/verify-networks.ts OUT` compares.
"""
import argparse
import copy
import json
import struct
import sys
import traceback
import warnings

import numpy as np
import torch
import torch.nn.functional as F

CHANNELS, CLASSES = 4, 4
STRIDES_3 = [1, 2, 2]
# these train with each batch's statistics, and their running statistics are compared after three steps
TRAINED_NORMS = {"unet-batch-norm", "conv-norm"}


def swin_unetr():
    from monai.networks import nets

    return nets.SwinUNETR(CHANNELS, CLASSES, depths=(2, 1, 1, 1), num_heads=(1, 2, 2, 3), feature_size=12, window_size=4)


def smooth(net):
    """The same network without kinks: every LeakyReLU becomes a SiLU."""
    for name, module in list(net.named_modules()):
        if isinstance(module, torch.nn.LeakyReLU):
            parent, _, own = name.rpartition(".")
            setattr(net.get_submodule(parent), own, torch.nn.SiLU())
    return net


def monai_nets():
    from monai.networks import nets

    return {
        "unet": (lambda: nets.UNet(3, CHANNELS, CLASSES, (4, 8, 16), (2, 2), num_res_units=1), (16, 16, 24)),
        "unet-2d": (lambda: nets.UNet(2, CHANNELS, CLASSES, (4, 8, 16), (2, 2), num_res_units=2), (32, 24)),
        "dynunet": (
            lambda: nets.DynUNet(3, CHANNELS, CLASSES, [3] * 3, STRIDES_3, STRIDES_3[1:], filters=[4, 8, 16], res_block=True),
            (16, 16, 24),
        ),
        "segresnet": (lambda: nets.SegResNet(3, 8, CHANNELS, CLASSES, blocks_down=(1, 2), blocks_up=(1,)), (16, 16, 24)),
        "attention-unet": (lambda: nets.AttentionUnet(3, CHANNELS, CLASSES, (4, 8, 16), (2, 2)), (16, 16, 24)),
        "unet-batch-norm": (
            lambda: nets.UNet(3, CHANNELS, CLASSES, (4, 8, 16), (2, 2), num_res_units=1, norm="batch"),
            (16, 16, 24),
        ),
        "vnet": (lambda: nets.VNet(3, CHANNELS, CLASSES), (16, 16, 16)),
        "unetr": (
            lambda: nets.UNETR(CHANNELS, CLASSES, (32, 32, 32), feature_size=4, hidden_size=24, mlp_dim=48, num_heads=3),
            (32, 32, 32),
        ),
        "swin-unetr": (swin_unetr, (64, 32, 32)),
        "swin-unetr-smooth": (lambda: smooth(swin_unetr()), (64, 32, 32)),
    }


def plain_conv_unet():
    from dynamic_network_architectures.architectures.unet import PlainConvUNet

    return PlainConvUNet(
        CHANNELS, 3, (4, 8, 16), torch.nn.Conv3d, 3, (1, 2, (1, 2, 2)), 2, CLASSES, 2, conv_bias=True,
        norm_op=torch.nn.InstanceNorm3d, norm_op_kwargs={"affine": True}, nonlin=torch.nn.LeakyReLU,
    )


def conv_norm():
    """So small that its answers lie beside the tests (src/runtime/testdata)."""
    return torch.nn.Sequential(
        torch.nn.Conv3d(CHANNELS, 3, 3, padding=1), torch.nn.BatchNorm3d(3), torch.nn.PReLU(), torch.nn.Conv3d(3, CLASSES, 1)
    )


def networks():
    return {**monai_nets(), "plain-conv-unet": (plain_conv_unet, (8, 16, 24)), "conv-norm": (conv_norm, (4, 4, 6))}


def loss_of(logits, y):
    p = logits.softmax(1)
    t = F.one_hot(y, logits.shape[1]).movedim(-1, 1).to(p.dtype)
    axes = (0, *range(2, p.ndim))
    dice = (2 * (p * t).sum(axes) + 1e-5) / (p.sum(axes) + t.sum(axes) + 1e-5)
    return F.cross_entropy(logits, y) + 1 - dice[1:].mean()


def save_safetensors(path, tensors):
    head, blob, names = {}, bytearray(), {"float32": "F32", "int64": "I64"}
    for key, value in tensors.items():
        a = np.ascontiguousarray(value.detach().numpy())
        head[key] = {"dtype": names[str(a.dtype)], "shape": list(a.shape), "data_offsets": [len(blob), len(blob) + a.nbytes]}
        blob += a.tobytes()
    text = json.dumps(head).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + bytes(blob))


def answers(start, x, y):
    tensors = {"x": x.float(), "y": y}
    net = copy.deepcopy(start)  # a forward pass moves running statistics
    logits = net(x)
    loss = loss_of(logits, y)
    loss.backward()
    tensors["logits"] = logits.float()
    losses = {"initial": loss.item()}
    # both names of a module that is used twice; parameters that the output does not depend on are not exported
    unused = {name for name, parameter in net.named_parameters(remove_duplicate=False) if parameter.grad is None}
    for name, parameter in net.named_parameters(remove_duplicate=False):
        if name not in unused:
            tensors["grad." + name] = parameter.grad.float()
    optimisers = {
        "sgd": lambda ps: torch.optim.SGD(ps, lr=0.02, momentum=0.9, nesterov=True, weight_decay=3e-5),
        "adamw": lambda ps: torch.optim.AdamW(ps, lr=1e-3, weight_decay=1e-2),
    }
    for kind, make in optimisers.items():
        copied = copy.deepcopy(start)
        optimiser = make(copied.parameters())
        losses[kind] = []
        for _ in range(3):
            optimiser.zero_grad()
            step_loss = loss_of(copied(x), y)
            step_loss.backward()
            optimiser.step()
            losses[kind].append(step_loss.item())
        for name, parameter in copied.named_parameters(remove_duplicate=False):
            if name not in unused:
                tensors[f"{kind}." + name] = parameter.data.float()
        for name, value in copied.named_buffers():
            if net.training and value.dtype.is_floating_point:
                tensors[f"{kind}." + name] = value.float()
    return tensors, losses


def float32_errors(net, x, y, tensors):
    """What PyTorch itself misses its own float64 answers by in float32: nobody can ask for less."""
    single, _ = answers(copy.deepcopy(net).float(), x.float(), y)
    relative = lambda key: ((single[key] - tensors[key]).abs().max() / tensors[key].abs().max()).item()
    # gradients that are noise beside the others say nothing, as in `model verify`
    gradients = [key for key in tensors if key.startswith("grad.")]
    largest = max(tensors[key].abs().max().item() for key in gradients)
    real = {key.partition(".")[2] for key in gradients if tensors[key].abs().max().item() >= 1e-6 * largest}
    worst = lambda kind: max(relative(f"{kind}.{name}") for name in real)
    return {"logits": relative("logits"), "gradients": worst("grad"), "sgd": worst("sgd"), "adamw": worst("adamw")}


def rounding_moves(net, x, y, tensors, draws=4):
    """How far PyTorch's float64 gradients move where image and weights move by one part in 2^24, the rounding of
    float32: the largest relative change of a tensor, over so many draws. No float32 engine can be held to less."""
    generator = torch.Generator().manual_seed(1)
    gradients = [key for key in tensors if key.startswith("grad.")]
    largest = max(tensors[key].abs().max().item() for key in gradients)
    real = [key for key in gradients if tensors[key].abs().max().item() >= 1e-6 * largest]
    moved = lambda value: value * (1 + 2**-24 * torch.randn(value.shape, generator=generator, dtype=value.dtype))
    worst = 0.0
    for _ in range(draws):
        other = copy.deepcopy(net)
        for parameter in other.parameters():
            parameter.data = moved(parameter.data)
        loss_of(other(moved(x)), y).backward()
        own = dict(other.named_parameters(remove_duplicate=False))
        for key in real:
            change = (own[key.partition(".")[2]].grad - tensors[key]).abs().max() / tensors[key].abs().max()
            worst = max(worst, change.item())
    return worst


def export(net, x, path, exporter):
    """With `optimize=True` the dynamo exporter merges parameters of equal value (all norms that begin as ones)."""
    common = dict(input_names=["x"], output_names=["logits"])
    if exporter == "torchscript":
        torch.onnx.export(
            net, (x,), path, opset_version=17, dynamo=False, do_constant_folding=False,
            training=torch.onnx.TrainingMode.PRESERVE, keep_initializers_as_inputs=False, **common,
        )
    else:
        torch.onnx.export(net, (x,), path, opset_version=18, dynamo=True, external_data=False, verbose=False, optimize=False, **common)


def with_first_buffers(net, path):
    """In training mode the TorchScript exporter runs the network while it writes, which moves running statistics: give
    the file those that the network began with. Returns how many tensors that changed."""
    import onnx

    model, buffers, changed = onnx.load(path), dict(net.named_buffers()), 0
    for initializer in model.graph.initializer:
        if initializer.name in buffers and buffers[initializer.name].dtype.is_floating_point:
            first = buffers[initializer.name].float().numpy()
            changed += not np.array_equal(onnx.numpy_helper.to_array(initializer), first)
            initializer.CopyFrom(onnx.numpy_helper.from_array(first, initializer.name))
    onnx.save(model, path)
    return changed


def under_exported_names(net, tensors, path):
    """A module that is used twice has two names, of which a file has one: leave out the other."""
    import onnx

    graph = onnx.load(path).graph
    written = {i.name for i in graph.initializer} | {o for n in graph.node if n.op_type == "Identity" for o in n.output}
    aliases = {}
    for name, parameter in net.named_parameters(remove_duplicate=False):
        aliases.setdefault(id(parameter), []).append(name)
    left_out = {name for names in aliases.values() if written & set(names) for name in names if name not in written}
    return {key: value for key, value in tensors.items() if key.partition(".")[2] not in left_out}


def prepare(make, size, seed, trains_norms=False):
    torch.manual_seed(seed)
    net = make().double().train(trains_norms)
    for value in [*net.parameters(), *net.buffers()]:
        if value.dtype.is_floating_point:
            value.data = value.data.float().double()
    for module in net.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.running_mean.uniform_(-0.2, 0.2).copy_(module.running_mean.float())
            module.running_var.uniform_(0.5, 1.5).copy_(module.running_var.float())
    x = torch.randn(2, CHANNELS, *size).float().double()
    y = ((x[:, 0] > 0.4).long() + 2 * (x[:, 1] > 1.2).long()).clamp(max=CLASSES - 1)
    return net, x, y


def main(out, seed, only):
    warnings.filterwarnings("ignore")
    failed = 0
    for name, (make, size) in networks().items():
        if only and name not in only:
            continue
        try:
            net, x, y = prepare(make, size, seed, name in TRAINED_NORMS)
            tensors, losses = answers(net, x, y)
            single = float32_errors(net, x, y, tensors)
            rounding = rounding_moves(net, x, y, tensors)
        except Exception:  # one network that cannot be made must not hide the others
            traceback.print_exc()
            failed += 1
            continue
        for exporter in ("torchscript", "dynamo"):
            path = f"{out}/{name}.{exporter}"
            try:
                export(copy.deepcopy(net).float(), x.float(), path + ".onnx", exporter)
            except Exception as error:
                print(f"{name} {exporter}: not exported: {str(error).splitlines()[0][:300]}")
                failed += 1
                continue
            changed = with_first_buffers(net, path + ".onnx")
            save_safetensors(path + ".safetensors", under_exported_names(net, tensors, path + ".onnx"))
            with open(path + ".json", "w") as file:
                json.dump({"loss": losses, "float32": single, "rounding": rounding, **({"runningStatistics": "averaged"} if net.training else {})}, file, indent=1)
            print(name, exporter, losses["initial"], single, rounding, f"{changed} buffers moved by the exporter", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("out")
    parser.add_argument("names", nargs="*")
    parser.add_argument("--seed", type=int, default=7)
    given = parser.parse_intermixed_args()
    sys.exit(main(given.out, given.seed, set(given.names)))
