"""The sections of the report, in order. To add one, write a module with `sections(data)` and list it here."""

from pipeline.report.content import Section
from pipeline.report.data import ReportData
from pipeline.report.sections import (
    adaptations,
    attribution,
    cards,
    controls,
    costs,
    forest,
    label_issues,
    labels,
    leakage,
    overview,
    question,
    sources,
    transfers,
)

# read in a minute, then what is folded
ORDER = (
    cards,
    forest,
    controls,
    costs,
    labels,
    overview,
    transfers,
    adaptations,
    attribution,
    leakage,
    label_issues,
    question,
    sources,
)


def all_sections(data: ReportData) -> list[Section]:
    """Every section that has something to show."""
    return [section for module in ORDER for section in module.sections(data)]
