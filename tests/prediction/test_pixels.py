"""New images are decoded by the rule that the dataset's card records."""

import numpy as np
import pytest
from PIL import Image

from pipeline.config.schema import Dataset
from pipeline.datasets.rendering import Rendering
from pipeline.prediction.pixels import chunks, decoder_of, rendering_of
from pipeline.store.files import write_json, write_npy
from pipeline.store.outs import DatasetPaths

DATASET = Dataset(reader="folder", raw="raw", labels=["label"])


@pytest.mark.parametrize(
    "rendering",
    [
        Rendering(),
        Rendering(low=12.0, high=4095.0, clipped=True, deep=7),
        Rendering(background=(255, 255, 255), transparent=3),
        Rendering(low=0.0, high=1.0, background=(128, 128, 128), deep=1, transparent=2),
    ],
)
def test_the_card_gives_back_the_rendering_it_was_written_from(rendering):
    assert rendering_of(DATASET, rendering.card()) == rendering


def test_a_background_that_params_set_holds_where_no_file_of_the_dataset_needed_one():
    white = DATASET.model_copy(update={"background": "white"})
    assert rendering_of(white, Rendering().card()).background == (255, 255, 255)


def test_twelve_bits_and_alpha_are_read_as_those_of_the_dataset(tmp_path):
    files = DatasetPaths(tmp_path)
    write_npy(files.images, np.zeros((2, 64, 64, 1), "uint8"))
    write_json(files.card, Rendering(0.0, 4095.0, background=(255, 255, 255), deep=2, transparent=1).card())
    Image.fromarray(np.full((64, 64), 4095, "uint16")).save(tmp_path / "deep.png")
    Image.new("RGBA", (64, 64), (0, 0, 0, 0)).save(tmp_path / "clear.png")
    with Image.open(tmp_path / "clear.png") as clear:
        clear.putpixel((0, 0), (0, 0, 0, 255))
        clear.save(tmp_path / "clear.png")
    names = {name: tmp_path / name for name in ("deep.png", "clear.png", "gone.png")}
    Image.new("L", (64, 64)).save(tmp_path / "object", "TIFF")
    names["photo.nef"] = tmp_path / "object"  # as a link into DVC's cache
    (chunk,) = chunks(names, decoder_of(DATASET, files), 32)  # a target may have smaller images than its dataset
    assert chunk.pixels.shape == (2, 32, 32, 3) and chunk.pixels[:, 8:, 8:].min() == 255
    assert chunk.deep.tolist() == [True, False] and chunk.colour.tolist() == [False, False]
    assert list(chunk.faults) == [2, 3] and "No such file" in chunk.faults[2] and "a camera" in chunk.faults[3]
