"""Read a dataset with the reader that params.yaml names."""

from pathlib import Path

from pipeline.config.schema import Dataset
from pipeline.datasets.readers.raw import RawDataset
from pipeline.registry.readers import READERS
from pipeline.store.places import load


def read_raw(dataset: Dataset, root: Path) -> RawDataset:
    """List a dataset's image files with their labels.

    Args:
        root: the folder that the dataset's `raw` is relative to.

    Raises:
        InputError: from the reader.
    """
    found: RawDataset = load(READERS[dataset.reader].read)(dataset, root)
    return found
