"""Registry of dataset readers, `datasets.NAME.reader` in params.yaml."""

from typing import NamedTuple


class ReaderEntry(NamedTuple):
    """A dataset reader.

    Attributes:
        read: import path of the function (Dataset, folder that its `raw` is relative to) -> RawDataset.
        groups: allowed values of `group`; None: any column of the dataset's table, checked when it is read.
        needs: fields of the dataset that it cannot do without.
    """

    read: str
    groups: tuple[str, ...] | None = ()
    needs: tuple[str, ...] = ()


READERS: dict[str, ReaderEntry] = {
    "elpv": ReaderEntry("pipeline.datasets.readers.elpv:read_elpv", groups=("blocks",)),
    "folder": ReaderEntry("pipeline.datasets.readers.folder:read_folder"),
    "table": ReaderEntry("pipeline.datasets.readers.table:read_table", groups=None, needs=("table",)),
}
