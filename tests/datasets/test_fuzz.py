"""Any bytes, names and tables: a reader reads or refuses, and nothing else (for hours: benchmarks/fuzz_readers.py)."""

import pytest

from benchmarks.fuzz_readers import CASES, run_case


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's, of damaged TIFF files
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_no_input_makes_a_reader_crash_or_write(case) -> None:
    run_case(case, 7, max_examples=30)
