"""What the stage leakage found, in the report: counts by source, target and kind; one line where there is nothing."""

import builders
import pytest
from drawn_report import params, shared

from pipeline.report.content import Paragraph, Table
from pipeline.report.data import ReportData, with_groups
from pipeline.report.sections import leakage

HASH, NAME = "close hash, other texture", "group of the same name"
UNKNOWN = "Not compared, as their training images are not here: given."


def blocks(found, **fields):
    sections = leakage.sections(ReportData(builders.run_of({}), params=params(), leakage=found, **fields))
    return [block for section in sections for block in section.blocks]


def test_every_pair_that_shares_something_has_its_counts_by_kind():
    """An image that a source and its init both learnt counts once."""
    found = shared(
        ("made", "defect", HASH, "1.png", "g"),
        ("made", "defect", HASH, "1.png", "g"),
        ("made", "defect", HASH, "2.png", "g"),
        ("made", "defect", NAME, "1.png", "g"),
        ("made", "few", HASH, "9.png", "h"),
    )
    told = blocks(found)
    (table,) = [block for block in told if isinstance(block, Table)]
    assert table.rows == [
        ["made", "defect", HASH, "2", "1"],
        ["made", "defect", NAME, "1", "1"],
        ["made", "few", HASH, "1", "1"],
    ]
    texts = [block.text for block in told if isinstance(block, Paragraph) and block.role == "item"]
    assert texts == ["2 of 2 pairs of a source pretrained here and a target share something.", UNKNOWN]


def test_nothing_shared_is_one_line_and_published_weights_are_not_compared():
    assert [block.text for block in blocks(shared())] == [
        "2 pairs of a source pretrained here and a target: none shares an image, a close hash or a group.",
        UNKNOWN,
    ]


@pytest.mark.parametrize("missing", ["params", "leakage"])
def test_without_the_file_there_is_no_section(missing):
    fields = {"params": params(), "leakage": shared()} | {missing: None}
    assert leakage.sections(ReportData(builders.run_of({}), **fields)) == []


def test_a_tested_image_has_its_group():
    manifest = builders.pd.DataFrame({"name": ["1.png", "2.png"], "group": ["g", "h"]})
    found = shared(("made", "defect", HASH, "2.png", None)).drop(columns="group")
    assert with_groups(found, {"d": manifest}, params())["group"].tolist() == ["h"]
    assert with_groups(found.iloc[:0], {"d": manifest}, params()).columns[-1] == "group"
