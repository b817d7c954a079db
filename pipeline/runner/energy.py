"""The energy that this machine spent meanwhile, where it has a meter: an estimate, since others may use it too."""

from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread
from types import TracebackType
from typing import Any, TypeVar

T = TypeVar("T")

POWERCAP = Path("/sys/class/powercap")  # Linux: Intel's and AMD's counters (RAPL); often readable by root alone
EVERY = 60.0  # seconds between readings: a counter of 262 kJ starts anew every 9 minutes at 500 W


class EnergyMeter:
    """Sums what the counters of all CPU packages add while it is entered, and of all NVIDIA GPUs if `gpu`.

    Attributes:
        joules: None where there is no counter that may be read. Package counters hold the cores and their caches, on
            some machines memory too; never disks, fans or losses of the power supply.
    """

    def __init__(self, gpu: bool, folder: Path = POWERCAP, every: float = EVERY) -> None:
        self.joules: float | None = None
        self._gpu, self._folder, self._every = gpu, folder, every
        self._last: dict[str, float] = {}
        self._ended = Event()
        self._thread = Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "EnergyMeter":
        self._last = self._readings()
        if self._last:
            self.joules = 0.0
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        if self._last:
            self._thread.join()
            self._add()

    def _watch(self) -> None:
        while not self._ended.wait(self._every):
            self._add()

    def _add(self) -> None:
        now, ranges = self._readings(), package_ranges(self._folder)
        for name, joules in now.items():
            if name in self._last:
                self.joules = (self.joules or 0.0) + elapsed(self._last[name], joules, ranges.get(name))
        self._last = now

    def _readings(self) -> dict[str, float]:
        return package_joules(self._folder) | (gpu_joules() if self._gpu else {})


def elapsed(before: float, after: float, largest: float | None) -> float:
    """What a counter added between two readings; one that fell has started anew at `largest` (0 where unknown)."""
    return after - before if after >= before else after - before + (largest or before)


def package_joules(folder: Path = POWERCAP) -> dict[str, float]:
    """The counters of CPU packages (not of their parts, which packages hold), in joules; empty where none is."""
    return _microjoules(folder, "energy_uj")


def package_ranges(folder: Path = POWERCAP) -> dict[str, float]:
    """The joules at which each counter of `package_joules` starts anew."""
    return _microjoules(folder, "max_energy_range_uj")


def _microjoules(folder: Path, file: str) -> dict[str, float]:
    found = {}
    for package in sorted(folder.glob("intel-rapl:*")):  # a package is intel-rapl:0, its parts intel-rapl:0:0, ...
        if package.name.count(":") > 1:
            continue
        try:
            found[package.name] = int((package / file).read_text()) / 1e6
        except (OSError, ValueError):  # not for this user, or no number
            continue
    return found


def gpu_joules() -> dict[str, float]:
    """The counters of NVIDIA GPUs since their driver was loaded (Volta and later), in joules; empty where none is."""
    return _of_gpus(lambda library, handle: library.nvmlDeviceGetTotalEnergyConsumption(handle) / 1e3)


def gpu_names() -> dict[str, str]:
    """The models of the NVIDIA GPUs that this machine's driver knows, whatever Keras makes of them."""
    return _of_gpus(lambda library, handle: _text(library.nvmlDeviceGetName(handle)))


def _of_gpus(ask: Callable[[Any, Any], T]) -> dict[str, T]:
    """What NVIDIA's library says of every GPU; empty where there is none, or where one does not answer."""
    try:
        import pynvml

        pynvml.nvmlInit()
    except Exception:  # no library or no driver: then nothing is measured, and the stage goes on
        return {}
    found = {}
    try:
        for index in range(pynvml.nvmlDeviceGetCount()):
            found[f"gpu:{index}"] = ask(pynvml, pynvml.nvmlDeviceGetHandleByIndex(index))
    except pynvml.NVMLError:  # an older GPU has no counter
        return {}
    finally:
        pynvml.nvmlShutdown()
    return found


def _text(name: str | bytes) -> str:
    return name.decode() if isinstance(name, bytes) else name  # bytes before version 11.5 of the library
