"""PyTorch's side of bench/segment-case.ts: the same case through the same network, from its files to its label map.

    python3 bench/pytorch/segment_case.py --folder FOLDER --threads 2 --side 96 --base 16 --levels 4

FOLDER holds our weights (weights.json, weights.f32) and t1, t1ce, t2, flair.nii.gz in LPS order; writes labels.nii.gz.
"""
import argparse

import nibabel
import numpy as np
import torch

from networks import CLASSES, UNet, load_weights, starts_of, window_weights

parser = argparse.ArgumentParser()
for name in ["threads", "side", "base", "levels"]:
    parser.add_argument(f"--{name}", type=int, required=True)
parser.add_argument("--folder", required=True)
args = parser.parse_args()
torch.set_num_threads(args.threads)
MARGIN = 2


def z_scored(image):
    values = image[image != 0]
    return np.where(image != 0, (image - values.mean(dtype=np.float64)) / values.std(dtype=np.float64), 0).astype(np.float32)


@torch.inference_mode()
def main():
    files = [nibabel.load(f"{args.folder}/{name}.nii.gz") for name in ("t1", "t1ce", "t2", "flair")]
    scans = np.stack([np.asarray(file.dataobj, dtype=np.float32).transpose(2, 1, 0) for file in files])
    brain = np.argwhere((scans != 0).any(0))
    low, high = np.maximum(brain.min(0) - MARGIN, 0), np.minimum(brain.max(0) + 1 + MARGIN, scans.shape[1:])
    box = tuple(slice(a, b) for a, b in zip(low, high))
    inside = (scans != 0).any(0)[box]
    image = torch.from_numpy(np.stack([z_scored(scan[box]) for scan in scans]))
    net = UNet(args.base, args.levels)
    load_weights(net, args.folder)
    net.eval()
    size, side = image.shape[1:], args.side
    gaussian = window_weights(side)
    sums, weights = torch.zeros(CLASSES, *size), torch.zeros(size)
    zs, ys, xs = (starts_of(n, side, 0.5) for n in size)
    assert min(*zs, *ys, *xs) >= 0, "the brain is smaller than the window"
    for z in zs:
        for y in ys:
            for x in xs:
                at = (slice(z, z + side), slice(y, y + side), slice(x, x + side))
                sums[(slice(None), *at)] += gaussian * net(image[(slice(None), *at)].contiguous()[None])[0].softmax(0)
                weights[at] += gaussian
    classes = (sums / weights).argmax(0).numpy().astype(np.uint8)
    classes[~inside] = 0
    labels = np.zeros(scans.shape[1:], np.uint8)
    labels[box] = np.array([0, 1, 2, 4], np.uint8)[classes]
    nibabel.save(nibabel.Nifti1Image(labels.transpose(2, 1, 0), files[0].affine), f"{args.folder}/labels.nii.gz")


main()
