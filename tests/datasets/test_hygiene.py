"""Leakage: a source that was trained on images of a target is refused, with the counts."""

import pandas as pd
import pytest

from pipeline.datasets.hygiene import check_unseen
from pipeline.store.errors import InputError

EXAMPLES = pd.DataFrame(
    {
        "image_id": ["a", "b", "c", "d"],
        "group": ["u0", "u0", "u2", "u3"],
    }
)


def seen(dataset="cells", image_id="z", unit="u9"):
    return pd.DataFrame({"dataset": [dataset], "image_id": [image_id], "unit": [unit]})


def refusal(table):
    with pytest.raises(InputError) as caught:
        check_unseen(table, EXAMPLES, "cells", "pretrained", "tested")
    return str(caught.value)


def test_a_source_of_other_images_passes():
    check_unseen(seen(), EXAMPLES, "cells", "pretrained", "tested")
    check_unseen(seen(dataset="photos", unit="u0"), EXAMPLES, "cells", "pretrained", "tested")


def test_an_image_is_refused_whatever_dataset_it_came_with():
    text = refusal(seen(dataset="photos", image_id="c"))
    assert "'pretrained' has seen what target 'tested' tests: 1 of its 4 images" in text
    assert "and 0 of its groups with 0 images" in text


def test_a_group_is_refused_with_its_images():
    assert "0 of its 4 images, and 1 of its groups with 2 images" in refusal(seen(unit="u0"))
