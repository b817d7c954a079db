"""Licence and citation of the published weights of keras.applications, by family.

Licences are those of the original authors, to our knowledge; Keras states none with the files.
"""

from collections.abc import Iterable

FAMILIES: dict[str, tuple[str, str]] = {
    "ConvNeXt": ("MIT", "Liu et al., A ConvNet for the 2020s, CVPR 2022"),
    "DenseNet": ("BSD-3-Clause", "Huang et al., Densely Connected Convolutional Networks, CVPR 2017"),
    "EfficientNetB": ("Apache-2.0", "Tan and Le, EfficientNet: Rethinking Model Scaling for CNNs, ICML 2019"),
    "EfficientNetV2": ("Apache-2.0", "Tan and Le, EfficientNetV2: Smaller Models and Faster Training, ICML 2021"),
    "InceptionResNetV2": ("Apache-2.0", "Szegedy et al., Inception-v4, Inception-ResNet, AAAI 2017"),
    "InceptionV3": ("Apache-2.0", "Szegedy et al., Rethinking the Inception Architecture, CVPR 2016"),
    "MobileNet": ("Apache-2.0", "Howard et al., MobileNets, arXiv:1704.04861, 2017"),
    "MobileNetV2": ("Apache-2.0", "Sandler et al., MobileNetV2: Inverted Residuals, CVPR 2018"),
    "MobileNetV3": ("Apache-2.0", "Howard et al., Searching for MobileNetV3, ICCV 2019"),
    "NASNet": ("Apache-2.0", "Zoph et al., Learning Transferable Architectures, CVPR 2018"),
    "ResNet": ("MIT", "He et al., Deep Residual Learning for Image Recognition, CVPR 2016"),
    "ResNet50V2": ("MIT", "He et al., Identity Mappings in Deep Residual Networks, ECCV 2016"),
    "ResNet101V2": ("MIT", "He et al., Identity Mappings in Deep Residual Networks, ECCV 2016"),
    "ResNet152V2": ("MIT", "He et al., Identity Mappings in Deep Residual Networks, ECCV 2016"),
    "VGG": ("CC-BY-4.0", "Simonyan and Zisserman, Very Deep Convolutional Networks, ICLR 2015"),
    "Xception": ("MIT", "Chollet, Xception: Deep Learning with Depthwise Separable Convolutions, CVPR 2017"),
}


def provenance_of(architecture: str) -> tuple[str, str]:
    """Licence and citation of the ImageNet weights of a keras.applications model."""
    return FAMILIES[family_of(architecture, FAMILIES)]


def family_of(architecture: str, families: Iterable[str]) -> str:
    """The longest of `families` that prefixes an architecture's name: ResNet50V2 before ResNet."""
    return max((family for family in families if architecture.startswith(family)), key=len)
