"""The dataset of tests/params.yaml: drawn images with two independent labels, in groups (panels) of one type each."""

from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

SIDE, CELLS_A_PANEL = 40, 4


def draw(folder: Path, images: int = 160, seed: int = 0) -> None:
    """Write `images` RGB images and panels.csv: path, defect (a bright bar), type (poly: grainy), panel, confidence."""
    rng, rows = np.random.default_rng(seed), []
    (folder / "images").mkdir(parents=True)
    for index in range(images):
        defective, poly = bool(index % 2), bool(index // CELLS_A_PANEL % 2)
        pixels = rng.integers(60, 140 if poly else 70, (SIDE, SIDE, 3), dtype=np.uint8)
        if defective:
            start = rng.integers(0, SIDE - 8)
            pixels[:, start : start + 8] += 110
        path = folder / "images" / f"{index:04d}.png"
        Image.fromarray(pixels).save(path)
        rows.append(
            {
                "path": path.relative_to(folder).as_posix(),
                "defect": "defective" if defective else "functional",
                "type": "poly" if poly else "mono",
                "panel": f"panel{index // CELLS_A_PANEL:03d}",
                "confidence": rng.choice([0.5, 1.0]),
            }
        )
    pd.DataFrame(rows).to_csv(folder / "panels.csv", index=False)
