"""Sections of the report, in their order. To add one, write a module with `sections(material)` and name it here."""

from pipeline.report.content import Section
from pipeline.report.material import Material
from pipeline.report.sections import (
    adaptations,
    attribution,
    controls,
    labels,
    overview,
    question,
    sources,
    transfers,
)

ORDER = (overview, transfers, adaptations, attribution, labels, controls, question, sources)


def all_sections(material: Material) -> list[Section]:
    """Every section that has something to show."""
    return [section for module in ORDER for section in module.sections(material)]
