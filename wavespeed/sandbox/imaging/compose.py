"""More than one picture: the palette of the others for the first, or all of them in one."""

from collections.abc import Sequence

import numpy as np
from PIL import Image

from .effects import Pixels, to_image, to_pixels

GAP = 6  # Pixels between joined pictures.

# Ottosson's Oklab, where lightness and the two axes of colour are independent enough to be moved
# one by one, as Reinhard's method wants. https://bottosson.github.io/posts/oklab/
_CONES = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ],
    np.float32,
)
_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ],
    np.float32,
)


def join(pictures: Sequence[Image.Image]) -> Image.Image:
    """Two or three in a row, four in a square."""
    if len(pictures) == 4:
        return _stack([_row(pictures[:2]), _row(pictures[2:])])
    return _row(pictures)


def blend_palettes(first: Image.Image, others: Sequence[Image.Image]) -> Image.Image:
    """The first with the colours of the others: mean and spread on each axis of Oklab are moved
    to theirs, the lightness half way. Reinhard and others, Color Transfer between Images, 2001."""
    lab = _to_lab(to_pixels(first))
    other = np.concatenate(
        [_to_lab(to_pixels(it.resize((96, 96)))).reshape(-1, 3) for it in others]
    )
    mean, spread = lab.mean((0, 1)), lab.std((0, 1))
    share = np.array([0.5, 1.0, 1.0], np.float32)
    ratio = np.clip(other.std(0) / np.maximum(spread, 1e-3), 0.5, 1.8)
    moved = (lab - mean) * (1 + (ratio - 1) * share) + mean + (other.mean(0) - mean) * share
    return to_image(_from_lab(moved))


def _to_lab(pixels: Pixels) -> Pixels:
    return np.cbrt(pixels**2.2 @ _CONES.T) @ _LAB.T


def _from_lab(lab: Pixels) -> Pixels:
    linear: Pixels = (lab @ np.linalg.inv(_LAB).T) ** 3 @ np.linalg.inv(_CONES).T
    return np.clip(linear, 0, 1) ** (1 / 2.2)


def _row(pictures: Sequence[Image.Image]) -> Image.Image:
    height = min(picture.height for picture in pictures)
    scaled = [it.resize((max(1, it.width * height // it.height), height)) for it in pictures]
    width = sum(it.width + GAP for it in scaled) - GAP
    row = Image.new("RGB", (width, height), "white")
    left = 0
    for picture in scaled:
        row.paste(picture, (left, 0))
        left += picture.width + GAP
    return row


def _stack(pictures: Sequence[Image.Image]) -> Image.Image:
    """A row, lying down."""
    turned = [picture.transpose(Image.Transpose.ROTATE_90) for picture in pictures]
    return _row(turned).transpose(Image.Transpose.ROTATE_270)
