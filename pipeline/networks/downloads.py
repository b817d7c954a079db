"""Download the published weights of keras.applications into Keras' cache."""

import os
import tempfile
import threading
import urllib.error
import urllib.request
from pathlib import Path

import keras

from pipeline.networks.provenance import family_of
from pipeline.store.errors import InputError

PROBE_SECONDS = 3.0
SERVER = "https://storage.googleapis.com/tensorflow/keras-applications"
NO_TOP = "weights_tf_dim_ordering_tf_kernels_notop.h5"
# The weights without the classifier that keras.applications fetches, by family. {name} is the architecture's name in
# lower case, {member} its part after the family's name, {size} the image size that MobileNets were trained at.
URLS = {
    "ConvNeXt": f"{SERVER}/convnext/convnext_{{member}}_notop.h5",
    "DenseNet": f"{SERVER}/densenet/{{name}}_{NO_TOP}",
    "EfficientNetB": "https://storage.googleapis.com/keras-applications/{name}_notop.h5",
    "EfficientNetV2": f"{SERVER}/efficientnet_v2/efficientnetv2-{{member}}_notop.h5",
    "InceptionResNetV2": f"{SERVER}/inception_resnet_v2/inception_resnet_v2_{NO_TOP}",
    "InceptionV3": f"{SERVER}/inception_v3/inception_v3_{NO_TOP}",
    "MobileNet": f"{SERVER}/mobilenet/mobilenet_1_0_{{size}}_tf_no_top.h5",
    "MobileNetV2": f"{SERVER}/mobilenet_v2/mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_{{size}}_no_top.h5",
    "MobileNetV3": f"{SERVER}/mobilenet_v3/weights_mobilenet_v3_{{member}}_224_1.0_float_no_top_v2.h5",
    "NASNet": f"{SERVER}/nasnet/NASNet-{{member}}-no-top.h5",
    "ResNet": f"{SERVER}/resnet/{{name}}_{NO_TOP}",
    "VGG": f"{SERVER}/{{name}}/{{name}}_{NO_TOP}",
    "Xception": f"{SERVER}/xception/xception_{NO_TOP}",
}
# What Keras says of these files: MD5 or SHA-256 (of MobileNet and MobileNetV2 it says nothing)
HASHES = {
    "ConvNeXtTiny": "d547c096cabd03329d7be5562c5e14798aa39ed24b474157cef5e85ab9e49ef1",
    "ConvNeXtSmall": "6fc8009faa2f00c1c1dfce59feea9b0745eb260a7dd11bee65c8e20843da6eab",
    "ConvNeXtBase": "40a20c5548a5e9202f69735ecc06c990e6b7c9d2de39f0361e27baeb24cb7c45",
    "ConvNeXtLarge": "96f02b6f0753d4f543261bc9d09bed650f24dd6bc02ddde3066135b63d23a1cd",
    "ConvNeXtXLarge": "de3f8a54174130e0cecdc71583354753d557fcf1f4487331558e2a16ba0cfe05",
    "DenseNet121": "30ee3e1110167f948a6b9946edeeb738",
    "DenseNet169": "b8c4d4c20dd625c148057b9ff1c1176b",
    "DenseNet201": "c13680b51ded0fb44dff2d8f86ac8bb1",
    "EfficientNetB0": "50bc09e76180e00e4465e1a485ddc09d",
    "EfficientNetB1": "74c4e6b3e1f6a1eea24c589628592432",
    "EfficientNetB2": "111f8e2ac8aa800a7a99e3239f7bfb39",
    "EfficientNetB3": "af6d107764bb5b1abb91932881670226",
    "EfficientNetB4": "ebc24e6d6c33eaebbd558eafbeedf1ba",
    "EfficientNetB5": "38879255a25d3c92d5e44e04ae6cec6f",
    "EfficientNetB6": "9ecce42647a20130c1f39a5d4cb75743",
    "EfficientNetB7": "cbcfe4450ddf6f3ad90b1b398090fe4a",
    "EfficientNetV2B0": "893217f2bb855e2983157299931e43ff",
    "EfficientNetV2B1": "0e80663031ca32d657f9caa404b6ec37",
    "EfficientNetV2B2": "1dfe2e7a5d45b6632553a8961ea609eb",
    "EfficientNetV2B3": "f6abf7b5849ac99a89b50dd3fd532856",
    "EfficientNetV2S": "af0682fb74e8c54910f2d4393339c070",
    "EfficientNetV2M": "1b8dc055df72dde80d614482840fe342",
    "EfficientNetV2L": "b0b66b5c863aef5b46e8608fe1711615",
    "InceptionResNetV2": "d19885ff4a710c122648d3b5c3b684e4",
    "InceptionV3": "bcbd6486424b2319ff4ef7d526e38f63",
    "MobileNetV3Small": "d3e8ec802a04aa4fc771ee12a9a9b836",
    "MobileNetV3Large": "07fb09a5933dd0c8eaafa16978110389",
    "NASNetMobile": "1ed92395b5b598bdda52abe5c0dbfd63",
    "NASNetLarge": "d81d89dc07e6e56530c4e77faddd61b5",
    "ResNet50": "4d473c1dd8becc155b73f8504c6f6626",
    "ResNet50V2": "fac2f116257151a9d068a22e544a4917",
    "ResNet101": "88cf7a10940856eca736dc7b7e228a21",
    "ResNet101V2": "c0ed64b8031c3730f411d2eb4eea35b5",
    "ResNet152": "ee4c566cf9a93f14d82f913c2dc6dd0c",
    "ResNet152V2": "ed17cf2e0169df9d443503ef94b23b33",
    "VGG16": "6d6bbae143d832006294945121d1f1fc",
    "VGG19": "253f8cb515780f3b799900260a226db6",
    "Xception": "b0042744bf5b25fce3cb969f33bebb97",
}
RENAMED = {f"NASNet-{member}-no-top.h5": f"nasnet_{member}_no_top.h5" for member in ("mobile", "large")}  # in the cache
TRAINED_SIZES = {"MobileNet": (128, 160, 192, 224), "MobileNetV2": (96, 128, 160, 192, 224)}  # pixels; else the last


def weights_url(architecture: str, image_size: int) -> str:
    """The URL of the ImageNet weights of a model of keras.applications, without its classifier."""
    family = family_of(architecture, URLS)
    sizes = TRAINED_SIZES.get(family, (224,))
    member = architecture.removeprefix(family).lower()
    size = image_size if image_size in sizes else sizes[-1]
    return URLS[family].format(name=architecture.lower(), member=member, size=size)


def cached(url: str) -> Path:
    """Where a file of weights is or would be in Keras' cache."""
    models = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras", "models").absolute()
    name = url.rpartition("/")[2]
    return models / RENAMED.get(name, name)


def weights_file(url: str, file_hash: str | None = None) -> Path:
    """The path of a weights file in Keras' cache (`models/` of KERAS_HOME), downloaded if missing.

    Args:
        file_hash: that a download must have, MD5 or SHA-256 in hexadecimal digits; None where it is not known.

    Raises:
        InputError: the file cannot be downloaded. Without a network this takes about 3 s; Keras alone would wait for
            the operating system's timeouts.
    """
    path = cached(url)
    models = path.parent
    if path.exists():
        return path
    if not reachable(url, PROBE_SECONDS):
        raise _unavailable(url, path, f"there is no connection to it within {PROBE_SECONDS:g} s")
    models.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=models) as folder:  # a killed download leaves no partial file
        try:
            downloaded = keras.utils.get_file(path.name, url, cache_dir=folder, cache_subdir="", file_hash=file_hash)
        except Exception as error:  # Keras turns HTTP errors into plain exceptions
            raise _unavailable(url, path, str(error)) from error
        Path(downloaded).replace(path)
    return path


def reachable(url: str, seconds: float) -> bool:
    """Whether the server of `url` answers within `seconds`, through the proxy of the environment if there is one."""
    answered = threading.Event()

    def probe() -> None:
        try:
            urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=seconds).close()
        except urllib.error.HTTPError:
            answered.set()  # it answered; the download will report what is wrong
        except OSError:
            pass
        else:
            answered.set()

    # A thread, because name resolution has no timeout; a daemon, so that it never delays the exit.
    threading.Thread(target=probe, daemon=True).start()
    return answered.wait(seconds)


def _unavailable(url: str, path: Path, reason: str) -> InputError:
    return InputError(
        f"The published weights {url} are not on this machine and could not be downloaded: {reason}. "
        f"Download that file elsewhere and place it at {path}, or name a source that needs no "
        "download (efficientnet_lite0, or a .keras file of your own)."
    )
