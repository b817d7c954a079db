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
        blocks: how many `unfreeze` may count; None: not known before the network is built.
    """

    build: str
    preprocessing: str
    citation: str
    imagenet: ImageNetWeights | None = None
    blocks: int | None = None


class Application(NamedTuple):
    """A model of keras.applications: how many blocks `unfreeze` may count, and its smallest images in pixels a side."""

    blocks: int
    smallest: int = 32


RESNET_PIXELS = "RGB pixels 0..255, scaled to 0..1, minus ImageNet's mean, divided by its deviation, channel by channel"
LITE_PIXELS = "RGB pixels 0..255, minus 127, divided by 128"
LITE = "Tan and Le, EfficientNet: Rethinking Model Scaling for CNNs, ICML 2019 (Lite variant, 2020)"
RESNET = "He et al., Deep Residual Learning for Image Recognition, CVPR 2016"

ARCHITECTURES: dict[str, ArchitectureEntry] = {
    "efficientnet_lite0": ArchitectureEntry(
        "pipeline.networks.efficientnet_lite:efficientnet_lite0",
        LITE_PIXELS,
        LITE,
        ImageNetWeights("pipeline.networks.lite_weights:load_lite0", "Apache-2.0"),
        blocks=18,
    ),
    "efficientnet_lite1": ArchitectureEntry(
        "pipeline.networks.efficientnet_lite:efficientnet_lite1",
        LITE_PIXELS,
        LITE,
        ImageNetWeights("pipeline.networks.lite_weights:load_lite1", "Apache-2.0"),
        blocks=23,
    ),
    "efficientnet_lite2": ArchitectureEntry(
        "pipeline.networks.efficientnet_lite:efficientnet_lite2",
        LITE_PIXELS,
        LITE,
        ImageNetWeights("pipeline.networks.lite_weights:load_lite2", "Apache-2.0"),
        blocks=23,
    ),
    "cifar_resnet8": ArchitectureEntry(
        "pipeline.networks.small_resnets:cifar_resnet8", RESNET_PIXELS, f"{RESNET} (section 4.2)", blocks=4
    ),
    "cifar_resnet14": ArchitectureEntry(
        "pipeline.networks.small_resnets:cifar_resnet14", RESNET_PIXELS, f"{RESNET} (section 4.2)", blocks=7
    ),
    "resnet10_small": ArchitectureEntry(
        "pipeline.networks.small_resnets:resnet10_small",
        RESNET_PIXELS,
        f"{RESNET} (section 4.1, with one block a stage and fewer filters)",
        blocks=5,
    ),
}

# Every model of keras.applications (Keras 3.15); tests compare this table with the installed Keras.
APPLICATIONS: dict[str, Application] = {
    "ConvNeXtTiny": Application(23),
    "ConvNeXtSmall": Application(41),
    "ConvNeXtBase": Application(41),
    "ConvNeXtLarge": Application(41),
    "ConvNeXtXLarge": Application(41),
    "DenseNet121": Application(60),
    "DenseNet169": Application(84),
    "DenseNet201": Application(100),
    "EfficientNetB0": Application(18),
    "EfficientNetB1": Application(25),
    "EfficientNetB2": Application(25),
    "EfficientNetB3": Application(28),
    "EfficientNetB4": Application(34),
    "EfficientNetB5": Application(41),
    "EfficientNetB6": Application(47),
    "EfficientNetB7": Application(57),
    "EfficientNetV2B0": Application(23),
    "EfficientNetV2B1": Application(29),
    "EfficientNetV2B2": Application(30),
    "EfficientNetV2B3": Application(34),
    "EfficientNetV2S": Application(42),
    "EfficientNetV2M": Application(59),
    "EfficientNetV2L": Application(81),
    "InceptionResNetV2": Application(45, 75),
    "InceptionV3": Application(12, 75),
    "MobileNet": Application(14),
    "MobileNetV2": Application(19),
    "MobileNetV3Small": Application(13),
    "MobileNetV3Large": Application(17),
    "NASNetMobile": Application(4),
    "NASNetLarge": Application(4),
    "ResNet50": Application(17),
    "ResNet50V2": Application(18),
    "ResNet101": Application(34),
    "ResNet101V2": Application(35),
    "ResNet152": Application(51),
    "ResNet152V2": Application(52),
    "VGG16": Application(6),
    "VGG19": Application(6),
    "Xception": Application(15, 71),
}
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
    if architecture in APPLICATIONS:
        return ("imagenet", "file", "random")
    entry = ARCHITECTURES.get(architecture)
    return ("imagenet", "random") if entry and entry.imagenet else ("random",)


def takes_weight_file(architecture: str) -> bool:
    """Whether a source of this architecture may take its weights from a file, the key `path`."""
    return architecture in APPLICATIONS


def block_count(architecture: str) -> int | None:
    """How many blocks `unfreeze` may count; None where it is not known before the network is built."""
    entry = ARCHITECTURES.get(architecture) or APPLICATIONS.get(architecture)
    return entry.blocks if entry else None


def smallest_side(architecture: str) -> int:
    """The smallest images that an architecture takes, pixels a side, as far as it is known; else 0."""
    return APPLICATIONS[architecture].smallest if architecture in APPLICATIONS else 0
