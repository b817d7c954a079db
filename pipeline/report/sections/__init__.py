"""The sections of the report, in order. To add one, write a module with `sections(data)` and list it here."""

from pipeline.report.content import Section
from pipeline.report.data import ReportData
from pipeline.report.sections import (
    adaptations,
    attribution,
    controls,
    label_issues,
    labels,
    overview,
    question,
    sources,
    transfers,
)

ORDER = (overview, transfers, adaptations, attribution, labels, controls, label_issues, question, sources)


def all_sections(data: ReportData) -> list[Section]:
    """Every section that has something to show."""
    return [section for module in ORDER for section in module.sections(data)]
