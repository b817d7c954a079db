import subprocess
import sys
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest

from pipeline.networks.architectures import build_backbone
from pipeline.networks.freezing import split_at
from pipeline.networks.saving import load_model, save_model

SAVE = """
import sys
from pipeline.networks.architectures import build_backbone
from pipeline.networks.saving import save_model
save_model(build_backbone("efficientnet_lite0", 32, seed=3), sys.argv[1])
"""


@pytest.mark.slow
def test_equal_bytes_from_two_processes(tmp_path):
    paths = [tmp_path / "here.keras", tmp_path / "there.keras"]
    save_model(build_backbone("efficientnet_lite0", 32, seed=3), paths[0])
    subprocess.run([sys.executable, "-c", SAVE, str(paths[1])], check=True, capture_output=True, timeout=120)
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_a_saved_model_loads_and_computes_the_same(tiny, tmp_path):
    save_model(tiny, tmp_path / "new folder" / "tiny.keras")
    loaded = load_model(tmp_path / "new folder" / "tiny.keras")
    pixels = np.random.default_rng(0).uniform(0, 255, (2, 12, 12, 3)).astype("float32")
    for model in (loaded, keras.saving.load_model(tmp_path / "new folder" / "tiny.keras")):
        outputs = [keras.ops.convert_to_numpy(network(pixels)) for network in (model, tiny)]
        np.testing.assert_array_equal(*outputs)


def test_saving_again_and_after_a_split_gives_equal_bytes(tiny, tmp_path):
    save_model(tiny, tmp_path / "a.keras")
    split_at(tiny, "join")
    save_model(tiny, tmp_path / "b.keras")
    save_model(load_model(tmp_path / "a.keras"), tmp_path / "c.keras")
    contents = [(tmp_path / name).read_bytes() for name in ("a.keras", "b.keras", "c.keras")]
    assert contents[0] == contents[1] == contents[2]
    with zipfile.ZipFile(tmp_path / "a.keras") as archive:
        assert archive.namelist() == ["config.json", "metadata.json", "model.weights.h5"]


def test_a_save_that_fails_leaves_the_old_file_and_nothing_else(tiny, tmp_path, monkeypatch):
    path = tmp_path / "tiny.keras"
    save_model(tiny, path)
    old = path.read_bytes()
    monkeypatch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        save_model(tiny, path)
    assert path.read_bytes() == old and [entry.name for entry in tmp_path.iterdir()] == ["tiny.keras"]


def test_another_suffix_is_refused(tiny, tmp_path):
    with pytest.raises(ValueError, match=r"\.keras"):
        save_model(tiny, tmp_path / "tiny.h5")
