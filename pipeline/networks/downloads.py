"""Keras' downloads of published weights: refused at once and clearly where there is no network, and recorded."""

import contextlib
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from keras.src.utils import file_utils  # the only place through which every keras.applications model fetches files

from pipeline.store.errors import InputError

PROBE_SECONDS = 3.0


@dataclass
class Fetched:
    """The weights file that Keras took, from its cache or from the network."""

    url: str = ""
    path: str = ""


@contextlib.contextmanager
def guarded() -> Iterator[Fetched]:
    """Within this context, a weights file that Keras has to download but cannot raises InputError in some 3 s.

    Left alone, Keras waits for the operating system's own time limits and then names neither the place of the file nor
    a way out. A file in the cache still loads, network or not. Not for use from several threads at once.

    Yields:
        A record that is filled in once Keras has asked for a file.
    """
    get_file, urlretrieve = file_utils.get_file, file_utils.urlretrieve
    fetched = Fetched()

    def recording_get_file(fname: str, origin: str, *args: Any, **kwargs: Any) -> str:
        fetched.url = origin
        fetched.path = get_file(fname, origin, *args, **kwargs)
        return fetched.path

    def guarded_urlretrieve(url: str, path: str, *args: Any, **kwargs: Any) -> Any:
        if not reachable(url, PROBE_SECONDS):
            raise _unavailable(url, path, f"there is no connection to it within {PROBE_SECONDS:g} s")
        try:
            return urlretrieve(url, path, *args, **kwargs)
        except OSError as error:  # HTTP errors and broken connections are subclasses
            raise _unavailable(url, path, str(error)) from error

    file_utils.get_file, file_utils.urlretrieve = recording_get_file, guarded_urlretrieve
    try:
        yield fetched
    finally:
        file_utils.get_file, file_utils.urlretrieve = get_file, urlretrieve


def reachable(url: str, seconds: float) -> bool:
    """Whether the server of `url` answers within `seconds`, through the proxy of the environment if there is one."""
    answered = threading.Event()

    def ask() -> None:
        try:
            urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=seconds).close()
        except urllib.error.HTTPError:
            answered.set()  # an answer, if not a good one: the download itself then says what is wrong
        except OSError:
            pass
        else:
            answered.set()

    # A thread, because looking up a host's name obeys no time limit; a daemon, so that it never holds up the exit.
    threading.Thread(target=ask, daemon=True).start()
    return answered.wait(seconds)


def _unavailable(url: str, path: str, reason: str) -> InputError:
    return InputError(
        f"The published weights {url} are not on this machine and could not be downloaded: {reason}. "
        f"Download that file elsewhere and place it at {Path(path).absolute()}, or name a source that needs no "
        "download (efficientnet_lite0, or a .keras file of your own)."
    )
