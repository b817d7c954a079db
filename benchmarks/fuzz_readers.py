"""Do the readers survive any bytes, names and tables? Hypothesis draws them; see fuzz_readers.md for the figures.

    python -m benchmarks.fuzz_readers --minutes 60

Every case has a folder of its own. A reader must return a dataset whose names, labels, weights and files hold their
contract, or refuse with a message (InputError, Quarantine); it must not raise anything else, and must not write.
"""

import argparse
import ast
import datetime
import decimal
import io
import os
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from PIL import Image

from pipeline.config.params import Params
from pipeline.config.schema import Dataset, Run
from pipeline.datasets.images import Decoded, Quarantine, decode
from pipeline.datasets.readers.elpv import blocks, read_descriptor
from pipeline.datasets.readers.folder import read_folder
from pipeline.datasets.readers.table import read_table
from pipeline.stages import ingest
from pipeline.store.errors import InputError
from pipeline.store.paths import Paths

BATCH = 200  # cases between two looks at the clock
OUTCOMES: Counter[str] = Counter()

# Names that mean something to a file system, a table or a layout, and any others
WORDS = ["train", "test", "val", "images", "masks", "cat", "Cat", "dog", ".DS_Store", "@eaDir", "Thumbs.db", "1", "1.0"]
WORDS += [
    "a.png",
    "A.PNG",
    "b.jpg",
    "labels.csv",
    "-rf",
    "~",
    "%00",
    "nan",
    "['a']",
    "caf\u00e9",
    "cafe\u0301",
    "x" * 255,
]
characters = st.characters(exclude_categories=["Cs"], exclude_characters="/\0")
names = st.sampled_from(WORDS) | st.text(characters, min_size=1, max_size=12)
trees = st.lists(st.lists(names, min_size=1, max_size=5), max_size=12)

PATHS = ["a.png", "sub/b.png", "", ".", "..", "../secret", "/etc/hostname", "C:\\a.png", "sub\\b.png", "http://x/a.png"]
PATHS += ["link", "loop", "pipe", "~/a.png", "a.png\0", "sub", "A.PNG", "x" * 300, "t.csv"]
paths = st.sampled_from(PATHS) | st.text(max_size=10)
TIMES = st.datetimes() | st.dates() | st.timedeltas() | st.times()
plain = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats() | st.text(max_size=8) | TIMES
plain |= (
    st.binary(max_size=8)
    | st.decimals(-1000, 1000, places=2)
    | st.sampled_from(["nan", "['a']", "1", "1.0", " x", "x"])
)
cells = plain | st.lists(st.integers(0, 3), max_size=2) | st.fixed_dictionaries({"a": st.integers(0, 3)})
GOOD = st.sampled_from(["a.png", "sub/b.png"])
WEIGHTS = st.sampled_from([1, 0.5, "0.25"])
KINDS = [
    st.sampled_from(some) for some in ([1, 2.5], ["x", "y"], [True, False], ["1", "x"], [["a"], ["b"]], ["['a']", "x"])
]
KINDS += [
    st.text(max_size=4),
    plain,
    cells,
    st.dates(),
    st.binary(min_size=1, max_size=3),
    st.sampled_from(["", " ", "x"]),
]
columns = st.sampled_from(["path", "kind", "trust", "patient", "a.b", "", " path", "Path", "\ufeffpath"]) | st.text(
    max_size=6
)
ASKED: dict[str, Any] = {"reader": "table", "raw": "raw", "table": "t.csv", "labels": ["kind"]}
extras = st.fixed_dictionaries(
    {},
    optional={
        "weights": st.just(["trust"]),
        "group": st.sampled_from(["patient", "kind", "a.b"]),
        "labels": st.lists(columns, min_size=1, max_size=3),
        "path_column": columns,
        "table": paths,
        "classes": st.just({"kind": ["x", "1"]}),
    },
)


def checked(reader: Callable[[Dataset, Path], Any], params: dict[str, Any], root: Path) -> None:
    """Run a reader; it must refuse or keep its contract, and leave the folder as it is."""
    before = listing(root)
    try:
        found = reader(Dataset(**params), root)
    except InputError as error:
        OUTCOMES["refused"] += 1
        assert 1 <= len(str(error).splitlines()) <= 12, str(error)
    else:
        OUTCOMES["read"] += 1
        for image in found.images:
            assert image.path.is_file()
            assert not image.path.is_symlink()
            assert image.path.is_relative_to(root.resolve() / "raw")
            assert image.name.isprintable()
            assert image.group.strip()
            assert set(image.labels) == set(found.labels)
            assert all(isinstance(label, str) and label.strip() for label in image.labels.values())
            if reader is read_table:
                assert not any(is_container(text) for text in (*image.labels.values(), image.group))
            assert all(0 < weight <= 1 for weight in image.weights.values())
    assert listing(root) == before


def is_container(text: str) -> bool:
    """Whether a text is a list, a mapping or bytes, as Python writes them."""
    try:
        return isinstance(ast.literal_eval(text.strip()), list | dict | tuple | set | bytes)
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        return False


def listing(root: Path) -> list[tuple[str, int]]:
    """All that lies below a folder, with the sizes."""
    return sorted((os.fspath(path), path.lstat().st_size) for path in root.rglob("*"))


def furnish(raw: Path) -> None:
    """Images, and what is none, for paths of a table to lead to."""
    (raw / "sub").mkdir(parents=True)
    for name in ("a.png", "sub/b.png", "../secret"):
        (raw / name).write_bytes(b"x")
    (raw / "link").symlink_to("../secret")
    (raw / "loop").symlink_to("loop")
    os.mkfifo(raw / "pipe")


def any_bytes_as_a_table(data: st.DataObject) -> None:
    """Any bytes, and good tables with some bytes changed."""
    good = st.sampled_from(
        [csv_of({"path": ["a.png"], "kind": ["x"]}, ";"), parquet_of({"path": ["a.png"], "kind": ["x"]})]
    )
    content = data.draw(st.binary(max_size=200) | mutated(good))
    with tempfile.TemporaryDirectory() as folder:
        furnish(Path(folder) / "raw")
        (Path(folder) / "raw" / "t.csv").write_bytes(content)
        checked(read_table, ASKED, Path(folder))


def any_cells_in_a_table(data: st.DataObject) -> None:
    """Tables of any cells, as CSV in several dialects or as Parquet, asked for any columns."""
    rows = data.draw(st.integers(0, 4))

    def column(kinds: list[st.SearchStrategy[Any]]) -> list[Any]:
        return data.draw(st.lists(data.draw(st.sampled_from(kinds)), min_size=rows, max_size=rows))

    if data.draw(st.booleans()):  # a table that is in order but for the cells of its labels and groups
        table = {"path": column([GOOD]), "kind": column(KINDS), "trust": column([WEIGHTS]), "patient": column(KINDS)}
        asked = {"weights": ["trust"], **data.draw(st.sampled_from([{}, {"group": "patient"}]))}
    else:
        table = {"path": column([GOOD, paths]), "kind": column(KINDS), "trust": column([WEIGHTS, plain])}
        table |= {name: column(KINDS) for name in data.draw(st.lists(columns, max_size=4))}
        asked = data.draw(extras)
    delimiter = data.draw(st.sampled_from(",;\t|") | st.none())
    content = csv_of(table, delimiter) if delimiter else parquet_of(table)
    if content is None:
        return
    with tempfile.TemporaryDirectory() as folder:
        furnish(Path(folder) / "raw")
        (Path(folder) / "raw" / "t.csv").write_bytes(content)
        checked(read_table, ASKED | asked, Path(folder))


def any_names_in_a_folder(tree: list[list[str]], labels: list[str], classes: list[str]) -> None:
    """Files and folders of any names, some of them links."""
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder) / "raw"
        raw.mkdir()
        for index, parts in enumerate(tree):
            with suppress(OSError, ValueError):  # a name that is taken, `..`, or one that the file system does not take
                if ".." in parts:
                    continue
                path = raw.joinpath(*parts)
                path.parent.mkdir(parents=True, exist_ok=True)
                if index % 11 == 10:
                    path.symlink_to(raw if index % 2 else "absent")
                elif index % 7 == 6:
                    path.mkdir()
                else:
                    path.write_bytes(b"x")
        params = {"reader": "folder", "raw": "raw", "labels": labels, "classes": {"label": classes} if classes else {}}
        checked(read_folder, params, Path(folder))


def any_bytes_as_an_image(data: st.DataObject) -> None:
    """Any bytes, and images of all formats with some bytes changed."""
    content = data.draw(st.binary(max_size=100) | mutated(st.sampled_from(IMAGES)))
    try:
        decoded = decode(content, size=32, max_pixels=10_000, min_side=2)
    except Quarantine as reason:
        OUTCOMES["quarantined"] += 1
        assert str(reason)
    else:
        OUTCOMES["decoded"] += 1
        assert isinstance(decoded, Decoded)
        assert decoded.pixels.shape[:2] == (32, 32)
        assert decoded.pixels.dtype == np.uint8


def any_images_through_ingest(data: st.DataObject) -> None:
    """Images of all formats in class folders of any names, with and without damage, through the whole stage."""
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder) / "raw"
        for index in range(data.draw(st.integers(0, 5))):
            content = data.draw(mutated(st.sampled_from(IMAGES)) | st.sampled_from(IMAGES))
            with suppress(OSError, ValueError):
                path = raw / data.draw(names) / f"{data.draw(names)}{index}"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
        dataset = Dataset(reader="folder", raw="raw", labels=["label"], quarantine_cap=0.9, min_side=2)
        params = Params.model_construct(run=Run.model_construct(seed=7, image_size=32), datasets={"d": dataset})
        before = listing(Path(folder))
        try:
            ingest.run(params, Paths(Path(folder)), "d")
            OUTCOMES["ingested"] += 1
        except InputError:
            OUTCOMES["refused"] += 1
        written = os.fspath(Path(folder) / "data")
        assert [entry for entry in listing(Path(folder)) if not entry[0].startswith(written)] == before


def any_bytes_as_a_descriptor(data: st.DataObject) -> None:
    """Any text as the YAML file of ELPV."""
    good = (Path(__file__).parents[1] / "data" / "raw" / "elpv.yaml").read_bytes()
    content = data.draw(st.binary(max_size=60) | mutated(st.just(good)))
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "elpv.yaml").write_bytes(content)
        try:
            descriptor = read_descriptor(Path(folder) / "elpv.yaml")
            blocks(descriptor["blocks"], 2624)
            OUTCOMES["read"] += 1
        except InputError:
            OUTCOMES["refused"] += 1


# what is run, and what is drawn for it
CASES: dict[Callable[..., None], tuple[st.SearchStrategy[Any], ...]] = {
    any_bytes_as_a_table: (st.data(),),
    any_cells_in_a_table: (st.data(),),
    any_names_in_a_folder: (
        trees,
        st.sampled_from([["label"], ["label", "split"], ["kind"]]),
        st.lists(names, max_size=3, unique=True),
    ),
    any_bytes_as_an_image: (st.data(),),
    any_images_through_ingest: (st.data(),),
    any_bytes_as_a_descriptor: (st.data(),),
}


def run_case(case: Callable[..., None], first: int, **changes: Any) -> None:
    """Draw examples for a case from a seed; one that fails is shrunk and raised."""
    quiet = {"deadline": None, "database": None, "suppress_health_check": list(HealthCheck)}
    check = settings(**{**quiet, "phases": [Phase.generate, Phase.shrink], **changes})(given(*CASES[case])(case))
    seed(first)(check)()


@st.composite
def mutated(draw: st.DrawFn, contents: st.SearchStrategy[bytes]) -> bytes:
    """Bytes with some of them replaced, removed or inserted, or cut."""
    content = bytearray(draw(contents))
    for _ in range(draw(st.integers(0, 4))):
        place = draw(st.integers(0, max(len(content) - 1, 0)))
        content[place : place + draw(st.integers(0, 3))] = draw(st.binary(max_size=4))
    return bytes(content[: draw(st.none() | st.integers(0, len(content)))])


def csv_of(table: dict[str, list[Any]], delimiter: str | None) -> bytes:
    """A table as pandas writes it."""
    return pd.DataFrame(table, dtype=object).to_csv(index=False, sep=delimiter or ",").encode("utf-8", "surrogatepass")


def parquet_of(table: dict[str, list[Any]]) -> bytes | None:
    """A table as Arrow writes it; None if it does not hold these cells."""
    buffer = io.BytesIO()
    try:
        pq.write_table(pa.table(table), buffer)
    except (pa.ArrowException, ValueError, TypeError, OverflowError, decimal.DecimalException):
        return None
    return buffer.getvalue()


def image_files() -> list[bytes]:
    """A small image in every format and mode that files have."""
    kinds = [("PNG", mode) for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")]
    kinds += [("JPEG", mode) for mode in ("L", "RGB", "CMYK")]
    kinds += [("TIFF", mode) for mode in ("1", "L", "RGB", "CMYK", "F", "I;16")]
    kinds += [("GIF", "P"), ("BMP", "RGB"), ("WEBP", "RGBA"), ("PPM", "L"), ("JPEG2000", "RGB")]
    files = []
    for kind, mode in kinds:
        buffer = io.BytesIO()
        image = Image.linear_gradient("L").resize((12, 9))
        with suppress(OSError, KeyError):  # an encoder that this Pillow lacks
            converted = Image.fromarray(np.asarray(image, np.uint16) * 200) if mode == "I;16" else image.convert(mode)
            converted.save(buffer, kind)
            files.append(buffer.getvalue())
    return files


IMAGES = image_files()


def fuzz(minutes: float, first_seed: int) -> int:
    """Run all cases in turn, with new seeds, until the time is over; returns the number of examples."""
    end, examples = time.monotonic() + 60 * minutes, 0
    while time.monotonic() < end:
        for case in CASES:
            run_case(case, first_seed + examples, max_examples=BATCH)
            examples += BATCH
        print(f"{examples:,} examples; {dict(OUTCOMES)}", flush=True)
    return examples


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--seed", type=int, default=int(datetime.date.today().strftime("%Y%m%d")))
    parsed = parser.parse_args()
    print(f"seed {parsed.seed}: {fuzz(parsed.minutes, parsed.seed):,} examples, no fault")


if __name__ == "__main__":
    main()
