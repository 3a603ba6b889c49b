"""Writes src/runtime/testdata/loss-vectors.json: losses with their gradients, and optimiser steps, as PyTorch and MONAI
compute them in float64.

    python3 -m venv oracle && oracle/bin/pip install torch monai
    oracle/bin/python bench/oracle/loss_vectors.py src/runtime/testdata/loss-vectors.json
    npx biome format --write src/runtime/testdata/loss-vectors.json

Losses over classes: torch.nn.functional.cross_entropy (weight, ignore_index), monai.losses DiceLoss,
GeneralizedDiceLoss (uniform weights: one ratio over all classes) and FocalLoss (times K, for MONAI's mean runs over
channels as well). Over regions: binary_cross_entropy_with_logits and DiceLoss of sigmoids. The mirrored Dice of FeTS is
written here from its definition: the mean over regions of half the Dice of (p, y) and half that of (1 - p, 1 - y).
Optimisers: torch.optim with parameter groups, clip_grad_norm_, and the gradient of the proximal term by autograd.
"""
import json
import sys

import monai
import torch
import torch.nn.functional as F
from monai.losses import DiceLoss, FocalLoss, GeneralizedDiceLoss

torch.manual_seed(20)
torch.set_default_dtype(torch.float64)
SHAPE = (2, 4, 2, 3, 2)
REGIONS = [[1, 2, 3], [1, 3], [3]]
WEIGHTS = [0.25, 2.0, 1.0, 3.0]
IGNORED = 2
rounded = lambda t: [float(f"{v:.8g}") for v in t.flatten().tolist()]

logits = (2 * torch.randn(SHAPE)).float().double()
labels = torch.randint(0, 4, (SHAPE[0], *SHAPE[2:]))
region_logits = logits[:, :3].clone()
one_hot = F.one_hot(labels, 4).movedim(-1, 1).double()
targets = torch.stack([torch.isin(labels, torch.tensor(r)) for r in REGIONS], 1).double()
weights = torch.tensor(WEIGHTS)
kept = (labels != IGNORED)[:, None].double()
smooth = dict(smooth_nr=1e-5, smooth_dr=1e-5)


def dice(x, batch, background=False):
    return DiceLoss(softmax=True, to_onehot_y=True, include_background=background, batch=batch, **smooth)(x, labels[:, None])


def one_ratio(x, batch):
    loss = GeneralizedDiceLoss(softmax=True, to_onehot_y=True, include_background=False, w_type="uniform", batch=batch, **smooth)
    return loss(x, labels[:, None])


def focal(x, gamma, weight=None):
    return 4 * FocalLoss(to_onehot_y=True, use_softmax=True, gamma=gamma, weight=weight)(x, labels[:, None])


def masked_dice(x):
    p, y = x.softmax(1) * kept, one_hot * kept
    axes = (0, 2, 3, 4)
    return 1 - ((2 * (p * y).sum(axes) + 1e-5) / (p.sum(axes) + y.sum(axes) + 1e-5))[1:].mean()


def mirrored(x, mask=torch.ones_like(kept)):
    def ratio(p, y):
        p, y = p * mask, y * mask
        axes = (0, 2, 3, 4)
        return ((2 * (p * y).sum(axes) + 1e-7) / (p.sum(axes) + y.sum(axes) + 1e-7)).mean()

    p = x.sigmoid()
    return 1 - (ratio(p, targets) + ratio(1 - p, 1 - targets)) / 2


def bce(x):
    return F.binary_cross_entropy_with_logits(x, targets)


def masked_bce(x):
    return (F.binary_cross_entropy_with_logits(x, targets, reduction="none") * kept).sum() / (3 * kept.sum())


BATCH, SAMPLE = dict(sumOver="batch", perClass=True, background=False), dict(sumOver="sample", perClass=True, background=False)
ce = F.cross_entropy
CLASSES = [
    (dict(kind="crossEntropy"), lambda x: ce(x, labels)),
    (dict(kind="crossEntropy", classWeights=WEIGHTS), lambda x: ce(x, labels, weight=weights)),
    (dict(kind="crossEntropy", ignoreLabel=IGNORED), lambda x: ce(x, labels, ignore_index=IGNORED)),
    (dict(kind="crossEntropy", classWeights=WEIGHTS, ignoreLabel=IGNORED), lambda x: ce(x, labels, weight=weights, ignore_index=IGNORED)),
    (dict(kind="dice", dice=BATCH), lambda x: dice(x, True)),
    (dict(kind="dice", dice=SAMPLE), lambda x: dice(x, False)),
    (dict(kind="dice", dice={**BATCH, "background": True}), lambda x: dice(x, True, True)),
    (dict(kind="dice", dice={**BATCH, "perClass": False}), lambda x: one_ratio(x, True)),
    (dict(kind="dice", dice={**SAMPLE, "perClass": False}), lambda x: one_ratio(x, False)),
    (dict(kind="dice", dice=BATCH, ignoreLabel=IGNORED), masked_dice),
    (dict(kind="crossEntropyAndDice", dice=BATCH), lambda x: ce(x, labels) + dice(x, True)),
    (dict(kind="focal", gamma=2), lambda x: focal(x, 2)),
    (dict(kind="focal", gamma=1.5, classWeights=WEIGHTS), lambda x: focal(x, 1.5, WEIGHTS)),
    (dict(kind="focalAndDice", gamma=2, dice=SAMPLE), lambda x: focal(x, 2) + dice(x, False)),
]
OVER_REGIONS = [
    (dict(kind="regionCrossEntropy"), bce),
    (dict(kind="regionCrossEntropy", ignoreLabel=IGNORED), masked_bce),
    (dict(kind="regionCrossEntropyAndDice", dice=SAMPLE), lambda x: bce(x) + DiceLoss(sigmoid=True, **smooth)(x, targets)),
    (dict(kind="regionMirroredDice"), mirrored),
    (dict(kind="regionMirroredDice", ignoreLabel=IGNORED), lambda x: mirrored(x, kept)),
]


def solved(cases, at):
    for spec, loss_of in cases:
        x = at.clone().requires_grad_()
        loss = loss_of(x)
        loss.backward()
        yield dict(loss=spec, value=loss.item(), gradient=rounded(x.grad))


def optimised(make, **extra):
    """Three steps on fixed gradients of two tensors: a [3] and b [2]; b is in a group of its own."""
    a, b = torch.tensor([1.0, -2.0, 0.5], requires_grad=True), torch.tensor([0.3, -0.1], requires_grad=True)
    anchor = [t.detach().clone() + 0.5 for t in (a, b)]
    optimiser = make(a, b)
    for i in range(3):
        a.grad = torch.tensor([0.5, -1.0, 2.0]) * (i + 1)
        b.grad = torch.tensor([-0.7, 0.2]) / (i + 1)
        if "proximal" in extra:
            pull = sum(extra["proximal"] / 2 * ((w - w0) ** 2).sum() for w, w0 in zip((a, b), anchor))
            pull.backward()
        if "clipNorm" in extra:
            torch.nn.utils.clip_grad_norm_([a, b], extra["clipNorm"])
        optimiser.step()
    return rounded(torch.cat([a, b]))


def groups(kind, a, b, decay_b, factor, **keys):
    lr, decay = keys["lr"], keys.pop("weight_decay")
    return kind([dict(params=[a], weight_decay=decay), dict(params=[b], weight_decay=decay_b, lr=lr * factor)], **keys)


SGD = dict(kind="sgd", learningRate=0.1, momentum=0.9, nesterov=True, weightDecay=0.05)
PLAIN = {**SGD, "nesterov": False, "momentum": 0}
BETAS = dict(learningRate=0.1, beta1=0.8, beta2=0.95, epsilon=1e-8, weightDecay=0.05)
ADAM, ADAMW = dict(kind="adam", **BETAS), dict(kind="adamw", **BETAS)
O = torch.optim
sgd_keys = dict(lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.05)
adam_keys = dict(lr=0.1, betas=(0.8, 0.95), weight_decay=0.05)
STEPS = [
    (dict(optimiser=SGD), lambda a, b: O.SGD([a, b], **sgd_keys), {}),
    (dict(optimiser=PLAIN), lambda a, b: O.SGD([a, b], lr=0.1, weight_decay=0.05), {}),
    (dict(optimiser=ADAM), lambda a, b: O.Adam([a, b], **adam_keys), {}),
    (dict(optimiser=ADAMW), lambda a, b: O.AdamW([a, b], **adam_keys), {}),
    (dict(optimiser=SGD, clipNorm=1.5), lambda a, b: O.SGD([a, b], **sgd_keys), dict(clipNorm=1.5)),
    (dict(optimiser=SGD, proximal=0.3), lambda a, b: O.SGD([a, b], **sgd_keys), dict(proximal=0.3)),
    (dict(optimiser=ADAM, proximal=0.3, clipNorm=0.8), lambda a, b: O.Adam([a, b], **adam_keys), dict(proximal=0.3, clipNorm=0.8)),
]
for name, spec, kind, keys in [("SGD", SGD, O.SGD, sgd_keys), ("Adam", ADAM, O.Adam, adam_keys), ("AdamW", ADAMW, O.AdamW, adam_keys)]:
    group = [dict(names=["b"], weightDecay=0.4, rateFactor=0.5, frozen=False)]
    STEPS.append((dict(optimiser=spec, parameterGroups=group), lambda a, b, kind=kind, keys=keys: groups(kind, a, b, 0.4, 0.5, **keys), {}))

json.dump(
    dict(
        versions=dict(torch=torch.__version__, monai=monai.__version__),
        shape=SHAPE,
        regions=REGIONS,
        logits=rounded(logits),
        labels=labels.flatten().tolist(),
        ofClasses=list(solved(CLASSES, logits)),
        ofRegions=list(solved(OVER_REGIONS, region_logits)),
        steps=[dict(settings=settings, parameters=optimised(make, **extra)) for settings, make, extra in STEPS],
    ),
    open(sys.argv[1], "w"),
)
