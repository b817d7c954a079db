"""Leakage: what sources that are pretrained here share with the targets that test them, also what is no reason to stop.

The stage of that name refuses a run whose sources learn from tested images; this tells what it found besides.
"""

import pandas as pd

from pipeline.config.params import Params
from pipeline.report.content import Block, Column, Paragraph, Section, Table, items, numbers
from pipeline.report.data import ReportData
from pipeline.report.language import retold, say

KEYS = ["source", "target", "kind"]


def sections(data: ReportData) -> list[Section]:
    """The section, where sources are pretrained or published weights are used; none where only metrics.json is read."""
    if data.params is None or data.leakage is None:
        return []
    blocks: list[Block] = [*items([*compared(data.params, data.leakage), *not_compared(data.params)])]
    if len(data.leakage):
        blocks += [table(data.leakage), Paragraph(method())]
    return [Section(say("Images shared by sources and targets"), blocks, folded=True)] if blocks else []


def method() -> str:
    """What the table counts."""
    return say(
        "Images of the target, each counted once, and the groups that they are in. Images of equal pixels, "
        "near-duplicates and groups of one kind would have stopped the run; what is listed here did not: it may be "
        "alike by chance, and whether it is lies with who knows the images (data/leakage/found.csv)."
    )


def pairs(params: Params) -> dict[bool, list[tuple[str, str]]]:
    """Pairs of a source and a target that it is transferred or adapted to, by whether it is pretrained here."""
    return {here: [pair for pair in params.uses() if (pair[0] in params.pretrained) is here] for here in (True, False)}


def compared(params: Params, found: pd.DataFrame) -> list[str]:
    """In a line, how many pairs were compared and how many share something."""
    checked = pairs(params)[True]
    if not checked:
        return []
    sharing = len(found[["source", "target"]].drop_duplicates())
    if not sharing:
        none = "{pairs} pairs of a source pretrained here and a target: none shares an image, a close hash or a group."
        return [say(none, pairs=len(checked))]
    some = "{sharing} of {pairs} pairs of a source pretrained here and a target share something."
    return [say(some, pairs=len(checked), sharing=sharing)]


def not_compared(params: Params) -> list[str]:
    """Sources whose training images are not here."""
    names = {source for source, _ in pairs(params)[False] if params.sources[source].weights != "random"}
    if not names:
        return []
    return [say("Not compared, as their training images are not here: {names}.", names=", ".join(sorted(names)))]


def table(found: pd.DataFrame) -> Table:
    """A row a source, target and kind of what they share."""
    columns = [Column(say("source")), Column(say("target")), Column(say("what is shared"))]
    columns += numbers(say("images"), say("groups"))
    groups = {tuple(map(str, keys)): part for keys, part in found.groupby(KEYS, sort=True)}
    rows = [
        [source, target, retold(kind), f"{part['image'].nunique():,}", f"{part['group'].nunique():,}"]
        for (source, target, kind), part in groups.items()
    ]
    return Table(columns, rows)
