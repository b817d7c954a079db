"""Augmentation by symmetries of the square: a finite set of views, so that the activations of each can be cached."""

import numpy as np

# name -> views as (quarter turns, then mirrored left to right); the first view is the identity
AUGMENTATIONS: dict[str, tuple[tuple[int, bool], ...]] = {
    "none": ((0, False),),
    "mirror": ((0, False), (0, True)),
    "flips": ((0, False), (0, True), (2, False), (2, True)),
    "dihedral": tuple((turns, mirrored) for mirrored in (False, True) for turns in range(4)),
}


def view_count(augmentation: str) -> int:
    """The number of views of an augmentation."""
    return len(AUGMENTATIONS[augmentation])


def view(images: np.ndarray, augmentation: str, index: int) -> np.ndarray:
    """Return view `index` of square images (n, s, s, c); same shape and dtype; view 0 is the identity."""
    turns, mirrored = AUGMENTATIONS[augmentation][index]
    turned = np.rot90(images, turns, axes=(1, 2))
    return turned[:, :, ::-1] if mirrored else turned


def views(images: np.ndarray, augmentation: str, indices: np.ndarray) -> np.ndarray:
    """Return one view of each image (n, s, s, c), selected by `indices` (n,)."""
    result = np.empty_like(images)
    for index in np.unique(indices):
        chosen = indices == index
        result[chosen] = view(images[chosen], augmentation, int(index))
    return result
