"""An export: what is said of it, and what is refused in words."""

from importlib.metadata import version
from types import SimpleNamespace

import numpy as np
import pytest

from pipeline.commands.export import check_folder
from pipeline.config.schema import Target
from pipeline.export.formats import FORMATS, write_checked
from pipeline.export.make import CARD, more_labels, versions
from pipeline.store.errors import InputError


class Constant:
    """Stands for a network: the same probabilities for every image."""

    def count_params(self):
        return 1

    def predict_on_batch(self, images):
        return np.full((len(images), 2), 0.5)


def test_a_package_is_found_by_its_module_whatever_its_distribution_is_called():
    assert versions(["yaml"]) == {"yaml": version("PyYAML")}


@pytest.mark.parametrize(
    ("limit", "words"),
    [({}, None), ({"labels_per_class": 5}, "at most 5 labels a class"), ({"train_fraction": 0.5}, "a share of the")],
)
def test_a_refit_says_where_the_judged_networks_had_fewer_labels(limit, words):
    params = SimpleNamespace(targets={"cells": Target(dataset="toy", label="defect", **limit)})
    said = more_labels(params, "cells")
    assert said == () if words is None else words in said[0]


def test_an_export_to_which_the_user_added_a_file_is_not_replaced(tmp_path):
    (tmp_path / CARD).write_text("x")
    check_folder(tmp_path)
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(InputError, match="no earlier export"):
        check_folder(tmp_path)


def test_what_a_converter_does_not_know_is_one_message(tmp_path, monkeypatch):
    def refuse(model, path):
        raise ValueError("no operator\nfor Wavelet")

    monkeypatch.setitem(FORMATS, "onnx", FORMATS["onnx"]._replace(write=refuse))
    with pytest.raises(InputError, match=r"cannot be written as onnx: no operator for Wavelet\. .*--format keras"):
        write_checked("onnx", Constant(), np.zeros((2, 8, 8, 3), "uint8"), tmp_path / "x")
