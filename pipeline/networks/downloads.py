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
    return models / url.rpartition("/")[2]


def weights_file(url: str) -> Path:
    """The path of a weights file in Keras' cache (`models/` of KERAS_HOME), downloaded if missing.

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
            downloaded = keras.utils.get_file(path.name, url, cache_dir=folder, cache_subdir="")
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
