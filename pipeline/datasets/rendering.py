"""One rule for a whole dataset: which values of deep files are black and white, what lies behind transparent pixels.

Files of 16 bits hold 12 bits or fewer, floats hold any range, and icons are black or white on transparent. No file
shows this on its own, so all files are looked at once before they are decoded.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor

TAIL = 0.1  # percent of an image's pixels at either end that may be outliers: hot or dead pixels
STRETCHED = 4  # the tails are clipped if they make the range more than so many times as wide
BACKGROUNDS = (0, 255, 128, 64, 192)  # grey levels; the first of equally good ones is taken
HIDDEN = 48  # levels of 255: with less difference from the background, a pixel counts as lost


@dataclass(frozen=True)
class Rendering:
    """How stored values become 8-bit pixels.

    Attributes:
        low, high: stored values of files of more than 8 bits that become black and white; None: the full range of
            16 bits, and none for 32 bits.
        clipped: whether some values lie outside low..high.
        background: RGB behind transparent pixels.
        deep, transparent: number of files that each concerns.
    """

    low: float | None = None
    high: float | None = None
    clipped: bool = False
    background: tuple[int, int, int] = (0, 0, 0)
    deep: int = 0
    transparent: int = 0

    def scaled(self, values: np.ndarray) -> np.ndarray:
        """Stored values as uint8, rounded; nan, which marks missing pixels, is black."""
        low, high = (0.0, 65535.0) if self.low is None or self.high is None else (self.low, self.high)
        kind = np.float32 if values.dtype == np.uint16 else np.float64  # float32 is exact for 16 bits
        levels: NDArray[np.floating] = values.astype(kind)
        with np.errstate(invalid="ignore"):  # infinity
            levels = np.clip((levels - low) * (255 / (high - low)), 0, 255)
        return np.rint(np.nan_to_num(levels, nan=0)).astype(np.uint8)

    def card(self) -> dict[str, object]:
        """What the dataset's card says; null where no file is concerned."""
        scale = {"files": self.deep, "black": self.low, "white": self.high, "clipped": self.clipped}
        colour = "#{:02x}{:02x}{:02x}".format(*self.background)
        return {
            "more_than_8_bits": scale if self.deep else None,
            "transparency": {"files": self.transparent, "background": colour} if self.transparent else None,
        }


@dataclass(frozen=True)
class Observed:
    """What one file tells about the dataset.

    Attributes:
        span: least and greatest stored value, and those without the tails; None for 8 bits.
        lost: for each of BACKGROUNDS, the share of what is visible that it would hide; None without transparent pixels.
    """

    span: tuple[float, float, float, float] | None = None
    lost: tuple[float, ...] | None = None


def observe_values(values: np.ndarray) -> Observed:
    """Span of the finite values of a deep file; of a file without any, nothing."""
    finite = values[np.isfinite(values)]
    if not finite.size:
        return Observed()
    least, low, high, most = np.percentile(finite, [0, TAIL, 100 - TAIL, 100], method="nearest").tolist()
    return Observed(span=(float(least), float(most), float(low), float(high)))


def observe_alpha(layers: Image.Image) -> Observed:
    """What each background would hide of an RGBA image; of one that is opaque or invisible, nothing."""
    pixels = np.asarray(layers)
    colour, alpha = pixels[..., :3].astype(np.int16), pixels[..., 3].astype(np.float64)
    if alpha.min() == 255 or not alpha.any():
        return Observed()
    hidden = (np.abs(colour - background).max(-1) < HIDDEN for background in BACKGROUNDS)
    return Observed(lost=tuple(float((alpha * mask).sum() / alpha.sum()) for mask in hidden))


def choose(observed: Iterable[Observed], background: str) -> Rendering:
    """The rule that fits all files.

    The range is the one that the dataset uses, unless outliers stretch it. The background `auto` is the one that hides
    least of the image that it treats worst, then of all images.

    Args:
        background: "auto", or a colour: a name, or #rrggbb.
    """
    both = list(observed)
    spans = np.array([one.span for one in both if one.span is not None])
    lost = np.array([one.lost for one in both if one.lost is not None])
    low, high, clipped = _range(spans) if len(spans) else (None, None, False)
    return Rendering(low, high, clipped, _background(lost, background), len(spans), len(lost))


def _range(spans: np.ndarray) -> tuple[float, float, bool]:
    least, most, low, high = spans[:, 0].min(), spans[:, 1].max(), spans[:, 2].min(), spans[:, 3].max()
    clipped = bool(high > low and most - least > STRETCHED * (high - low))
    first, last = (low, high) if clipped else (least, most)
    return float(first), float(last if last > first else first + 1), clipped


def _background(lost: np.ndarray, background: str) -> tuple[int, int, int]:
    if background != "auto":
        red, green, blue = ImageColor.getrgb(background)[:3]
        return red, green, blue
    if not len(lost):
        return 0, 0, 0
    worst, mean = lost.max(0).round(1), lost.mean(0).round(2)
    best = min(range(len(BACKGROUNDS)), key=lambda place: (worst[place], mean[place], place))
    return (BACKGROUNDS[best],) * 3
