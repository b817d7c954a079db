"""The page that `dvc plots` fills draws without the network."""

import re

from dvc_render.html import render_html
from dvc_render.vega import VegaRenderer
from ruamel.yaml import YAML


def test_the_page_loads_nothing_and_contains_what_dvc_would_load(repository, tmp_path):
    template = re.search(r"html_template = (.+)", (repository / ".dvc" / "config").read_text())[1]
    rows = [{"x": 1, "y": 2, "rev": "workspace"}]
    plot = VegaRenderer(rows, "a plot", x="x", y="y", template="linear")
    render_html([plot], tmp_path / "index.html", html_template=repository / ".dvc" / template)
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "vegaEmbed(" in page and '"rev": "workspace"' in page
    assert not re.findall(r"<(?:script|link)[^>]*(?:src|href)", page)
    assert "{plot_divs}" not in page and "{refresh_tag}" not in page
    libraries = re.findall(r"npm/([\w-]+)@(\d+)", VegaRenderer.SCRIPTS)
    assert len(libraries) == 3 and all(f"{name} {major}." in page for name, major in libraries)


def test_every_template_of_dvc_yaml_is_dvcs_or_lies_beside_the_page(repository):
    plots = YAML(typ="safe").load((repository / "dvc.yaml").read_text())["plots"]
    named = {fields["template"] for plot in plots for fields in plot.values()}
    assert named == {file.stem for file in (repository / ".dvc" / "plots").glob("*.json")}
