"""Registry of architectures: those built here, all of keras.applications, and `.keras` files."""

from typing import NamedTuple

from pipeline.store.words import nearest


class ImageNetWeights(NamedTuple):
    """Published weights of an architecture.

    Attributes:
        load: import path of the function image size -> (backbone, origin, sha256 of the file).
        licence: of the weights.
    """

    load: str
    licence: str


class ArchitectureEntry(NamedTuple):
    """An architecture that is built here.

    Attributes:
        build: import path of the function image size -> keras.Model with random weights, from pixels float32
            (n, s, s, 3) in 0..255 to a feature map (n, h, w, c).
        preprocessing: applied to the pixels by its first layers; for the card.
        citation: of the paper; for the card.
        imagenet: published weights, if any.
    """

    build: str
    preprocessing: str
    citation: str
    imagenet: ImageNetWeights | None = None


RESNET_PIXELS = "RGB pixels 0..255, scaled to 0..1, minus ImageNet's mean, divided by its deviation, channel by channel"
RESNET = "He et al., Deep Residual Learning for Image Recognition, CVPR 2016"

ARCHITECTURES: dict[str, ArchitectureEntry] = {
    "efficientnet_lite0": ArchitectureEntry(
        "pipeline.networks.efficientnet_lite:efficientnet_lite0",
        "RGB pixels 0..255, minus 127, divided by 128",
        "Tan and Le, EfficientNet: Rethinking Model Scaling for CNNs, ICML 2019 (Lite variant, 2020)",
        ImageNetWeights("pipeline.networks.lite0_weights:load_lite0", "Apache-2.0"),
    ),
    "cifar_resnet8": ArchitectureEntry(
        "pipeline.networks.small_resnets:cifar_resnet8", RESNET_PIXELS, f"{RESNET} (section 4.2)"
    ),
    "cifar_resnet14": ArchitectureEntry(
        "pipeline.networks.small_resnets:cifar_resnet14", RESNET_PIXELS, f"{RESNET} (section 4.2)"
    ),
    "resnet10_small": ArchitectureEntry(
        "pipeline.networks.small_resnets:resnet10_small",
        RESNET_PIXELS,
        f"{RESNET} (section 4.1, with one block a stage and fewer filters)",
    ),
}

# Every model of keras.applications (Keras 3.15); a test compares this list with the installed Keras.
APPLICATIONS = (
    *(f"ConvNeXt{size}" for size in ("Tiny", "Small", "Base", "Large", "XLarge")),
    *(f"DenseNet{depth}" for depth in (121, 169, 201)),
    *(f"EfficientNetB{scale}" for scale in range(8)),
    *(f"EfficientNetV2{scale}" for scale in ("B0", "B1", "B2", "B3", "S", "M", "L")),
    "InceptionResNetV2",
    "InceptionV3",
    *("MobileNet", "MobileNetV2", "MobileNetV3Small", "MobileNetV3Large"),
    *("NASNetMobile", "NASNetLarge"),
    *(f"ResNet{depth}{version}" for depth in (50, 101, 152) for version in ("", "V2")),
    *("VGG16", "VGG19"),
    "Xception",
)
FILE_SUFFIX = ".keras"


def is_file(architecture: str) -> bool:
    """Whether `architecture` is the path of a Keras file."""
    return architecture.endswith(FILE_SUFFIX)


def known_architecture(name: str) -> bool:
    """Whether `name` is registered, or a path ending in `.keras` (which is not opened)."""
    return name in ARCHITECTURES or name in APPLICATIONS or is_file(name)


def unknown_architecture(name: str) -> str:
    """Error message for an unknown name: received, closest, allowed."""
    names = (*ARCHITECTURES, *APPLICATIONS)
    return (
        f"unknown architecture '{name}'{nearest(name, names)}; allowed: {', '.join(ARCHITECTURES)}, a model of "
        f"keras.applications ({', '.join(APPLICATIONS)}), or the path of a .keras file with its sha256"
    )


def allowed_weights(architecture: str) -> tuple[str, ...]:
    """Allowed `weights` of a source of this architecture; "imagenet" only where such weights are published."""
    if is_file(architecture):
        return ("file", "random")
    entry = ARCHITECTURES.get(architecture)
    published = entry.imagenet is not None if entry else architecture in APPLICATIONS
    return ("imagenet", "random") if published else ("random",)
