"""Readers: from what lies on disk to a list of image files with labels. A new kind is one entry of READERS."""

from collections.abc import Callable
from pathlib import Path

from pipeline.config.schema import Dataset
from pipeline.datasets.readers.elpv import read_elpv
from pipeline.datasets.readers.folder import read_folder
from pipeline.datasets.readers.raw import RawDataset
from pipeline.datasets.readers.table import read_table

# reader of params.yaml -> function of (dataset, folder that its `raw` is relative to)
READERS: dict[str, Callable[[Dataset, Path], RawDataset]] = {
    "elpv": read_elpv,
    "folder": read_folder,
    "table": read_table,
}
