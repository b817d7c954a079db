"""Write lite?_features.npz: EfficientNet-Lite computed by PyTorch's functional operations, straight from the weights.

Shares no code with pipeline/: PyTorch reads the file, the architecture is written out from the block table of the
published network, and TensorFlow's SAME padding is done by hand. Run once, in an environment with torch 2.13.0:

    python make_lite_reference.py lite0 PATH/TO/efficientnet-lite0-57934424.pth
"""

import sys
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

STAGES = [(3, 1, 1), (3, 2, 6), (5, 2, 6), (3, 2, 6), (5, 1, 6), (5, 2, 6), (3, 1, 6)]  # kernel, stride, expand
REPEATS = {"lite0": (1, 2, 2, 3, 3, 4, 1), "lite1": (1, 3, 3, 4, 4, 5, 1), "lite2": (1, 3, 3, 4, 4, 5, 1)}
# 75 is odd at every scale: SAME padding is then asymmetric in other places than for 64
SIZES = {"lite0": (64, 75), "lite1": (75,), "lite2": (75,)}


def main(name: str, weights: str) -> None:
    state = torch.load(weights, map_location="cpu", weights_only=True)
    arrays = {}
    for size in SIZES[name]:
        pixels = np.random.default_rng(size).integers(0, 256, (1, size, size, 3)).astype("float32")
        watched, pooled = forward(state, REPEATS[name], torch.from_numpy(pixels).permute(0, 3, 1, 2))
        arrays |= {f"pooled_{size}": pooled.numpy(), f"block3b_mean_{size}": watched.numpy()}
    np.savez_compressed(Path(__file__).with_name(f"{name}_features.npz"), **arrays)


@torch.no_grad()
def forward(w: dict, counts: tuple[int, ...], pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    x = F.relu6(norm(w, "_bn0", conv((pixels - 127) / 128, w["_conv_stem.weight"], 2)))
    index, watched, block3b = 0, None, counts[0] + counts[1] + 1
    for (kernel, stride, expand), repeats in zip(STAGES, counts, strict=True):
        for repeat in range(repeats):
            block, inputs, norms = f"_blocks.{index}.", x, iter(range(0 if expand > 1 else 1, 3))
            if expand > 1:
                x = F.relu6(norm(w, f"{block}_bn{next(norms)}", conv(x, w[f"{block}_expand_conv.weight"], 1)))
            depthwise = w[f"{block}_depthwise_conv.weight"]
            assert depthwise.shape[-1] == kernel
            x = conv(x, depthwise, stride if repeat == 0 else 1, groups=x.shape[1])
            x = F.relu6(norm(w, f"{block}_bn{next(norms)}", x))
            x = norm(w, f"{block}_bn{next(norms)}", conv(x, w[f"{block}_project_conv.weight"], 1))
            x = x + inputs if repeat else x
            watched = x.mean((2, 3)) if index == block3b else watched
            index += 1
    x = F.relu6(norm(w, "_bn1", conv(x, w["_conv_head.weight"], 1)))
    return watched, x.mean((2, 3))


def conv(x: torch.Tensor, kernel: torch.Tensor, stride: int, groups: int = 1) -> torch.Tensor:
    """TensorFlow's SAME: ceil(size / stride) outputs, the odd pixel of padding at the end."""
    pads = []
    for size, k in ((x.shape[3], kernel.shape[3]), (x.shape[2], kernel.shape[2])):
        total = max((-(-size // stride) - 1) * stride + k - size, 0)
        pads += [total // 2, total - total // 2]
    return F.conv2d(F.pad(x, pads), kernel, stride=stride, groups=groups)


def norm(w: dict, name: str, x: torch.Tensor) -> torch.Tensor:
    mean, variance = w[f"{name}.running_mean"], w[f"{name}.running_var"]
    return F.batch_norm(x, mean, variance, w[f"{name}.weight"], w[f"{name}.bias"], eps=1e-3)


if __name__ == "__main__":
    main(*sys.argv[1:])
