"""The architectures that params may name; imports no Keras, so that reading params stays fast."""

LITE0 = "efficientnet_lite0"
BUILT_HERE = (LITE0, "cifar_resnet8", "cifar_resnet14")

# Every model of keras.applications (Keras 3.15); a test holds this list equal to what the installed Keras offers.
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
    """Whether `architecture` is the path of a Keras file rather than a name."""
    return architecture.endswith(FILE_SUFFIX)


def known_architecture(name: str) -> bool:
    """Whether `name` can be built: a name listed here, or a path ending in `.keras` (not opened by this check)."""
    return name in BUILT_HERE or name in APPLICATIONS or is_file(name)


def allowed_weights(architecture: str) -> tuple[str, ...]:
    """What the weights of a source may be for an architecture: published ones only where somebody published some."""
    if is_file(architecture):
        return ("file", "random")
    published = architecture == LITE0 or architecture in APPLICATIONS
    return ("imagenet", "random") if published else ("random",)
