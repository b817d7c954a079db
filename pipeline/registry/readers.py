"""The readers of datasets, `datasets.NAME.reader` in params.yaml."""

from typing import NamedTuple


class ReaderEntry(NamedTuple):
    """A reader of one kind of dataset.

    Attributes:
        read: where the function (Dataset, folder that its `raw` is relative to) -> RawDataset lives.
        groups: what `group` may be; None: any column of the dataset's own table, which reading params does not open.
    """

    read: str
    groups: tuple[str, ...] | None = ()


READERS: dict[str, ReaderEntry] = {
    "elpv": ReaderEntry("pipeline.datasets.readers.elpv:read_elpv", groups=("blocks",)),
    "folder": ReaderEntry("pipeline.datasets.readers.folder:read_folder"),
    "table": ReaderEntry("pipeline.datasets.readers.table:read_table", groups=None),
}
