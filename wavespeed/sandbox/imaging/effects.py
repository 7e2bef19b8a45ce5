"""Plain filters with Pillow and NumPy: what is done to a picture, once it is known what.

A picture is an array of height x width x 3 numbers from 0 to 1, and so is what an effect makes of
it, but for numbers a little outside. Sizes are shares of the long edge, so that a thumbnail and a
photograph come out alike.
"""

from functools import partial
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from .captions import caption

Pixels = NDArray[np.floating[Any]]


def mild(pixels: Pixels) -> Pixels:
    """A little more of everything."""
    return saturate(curve(tone(pixels, red=0.96, green=1.0, blue=1.05), 0.35), 1.15)


# Colour and light


def tone(pixels: Pixels, *, red: float, green: float, blue: float) -> Pixels:
    """A gamma for each channel: it tints what lies between black and white, and leaves those."""
    return pixels ** np.array([red, green, blue], np.float32)


def curve(pixels: Pixels, amount: float) -> Pixels:
    """Contrast as an S, which never clips; less than none where the amount is negative."""
    return _mix(pixels, pixels * pixels * (3 - 2 * pixels), amount)


def saturate(pixels: Pixels, amount: float) -> Pixels:
    return np.clip(_mix(_grey(pixels), pixels, amount), 0, 1)


def black_and_white(pixels: Pixels) -> Pixels:
    return curve(_grey(pixels), 0.5)


def sepia(pixels: Pixels) -> Pixels:
    return tone(curve(_grey(pixels), 0.2), red=0.78, green=1.05, blue=1.45)


warm = partial(tone, red=0.78, green=0.97, blue=1.25)
cool = partial(tone, red=1.25, green=1.0, blue=0.8)
bright = partial(tone, red=0.65, green=0.65, blue=0.65)
dark = partial(tone, red=1.75, green=1.7, blue=1.6)
more_contrast = partial(curve, amount=1.0)
less_contrast = partial(curve, amount=-0.7)
vivid = partial(saturate, amount=1.8)
muted = partial(saturate, amount=0.4)


def pastel(pixels: Pixels) -> Pixels:
    soft = saturate(pixels**0.75, 1.2)
    return 0.3 + 0.68 * _mix(soft, blur(soft, 0.004), 0.4)


def neon(pixels: Pixels) -> Pixels:
    """Glowing outlines, from violet in the shadows to cyan in the lights, on a night picture."""
    edges = np.clip(_edges(pixels) - 0.12, 0, 1)
    light = blur(_grey(pixels), 0.01)
    ink = _mix(
        np.array([1.0, 0.1, 0.75], np.float32), np.array([0.1, 0.95, 1.0], np.float32), light
    )
    lines = np.clip(1.6 * edges, 0, 1) * ink
    night = saturate(pixels, 1.6) ** 1.8 * np.array([0.45, 0.25, 0.6], np.float32)
    glow = 0.9 * blur(lines, 0.006) + 0.8 * blur(lines, 0.03)
    return _screen(_screen(night, np.clip(glow, 0, 1)), lines)


def vintage(pixels: Pixels) -> Pixels:
    faded = 0.1 + 0.82 * tone(saturate(curve(pixels, 0.4), 0.65), red=0.85, green=0.98, blue=1.2)
    return _grain(vignette(faded, 0.35), 0.035)


def cinematic(pixels: Pixels) -> Pixels:
    """Teal shadows, orange lights."""
    light = _grey(pixels) - 0.45
    graded = curve(pixels, 0.55) * 0.94 + light * np.array([0.22, 0.03, -0.22], np.float32)
    return vignette(saturate(graded, 1.05), 0.3)


def vignette(pixels: Pixels, strength: float = 0.75) -> Pixels:
    height, width, _ = pixels.shape
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None, None]
    x = np.linspace(-1, 1, width, dtype=np.float32)[None, :, None]
    shade: Pixels = 1 - strength * ((x * x + y * y) / 2) ** 1.3
    return pixels * shade


# Detail


def blur(pixels: Pixels, share: float = 0.012) -> Pixels:
    return _soften(pixels, ImageFilter.GaussianBlur(share * max(pixels.shape)))


def sharpen(pixels: Pixels) -> Pixels:
    fine, coarse = blur(pixels, 0.0015), blur(pixels, 0.006)
    return pixels + 1.2 * (pixels - fine) + 0.3 * (pixels - coarse)


def dreamy(pixels: Pixels) -> Pixels:
    """Darkroom print of a sharp and a soft negative, after Michael Orton."""
    glow = blur(saturate(pixels, 1.3) ** 1.3, 0.02)
    return _mix(pixels, _screen(pixels * 0.9, glow), 0.8)


def sketch(pixels: Pixels) -> Pixels:
    """Colour dodge with the blurred negative leaves the strokes of a pencil."""
    grey = _grey(pixels)
    strokes = grey / np.maximum(1 - blur(1 - grey, 0.01), 0.02)
    shade = 0.8 + 0.2 * blur(grey, 0.003) ** 0.7
    return _grain(np.clip(strokes, 0, 1) ** 2.2 * shade, 0.02)


def oil(pixels: Pixels) -> Pixels:
    painted = saturate(_strokes(_strokes(pixels, 0.0045), 0.003), 1.35)
    return curve(painted, 0.3) + 0.35 * (painted - _moved(painted, 2, 2))


def watercolour(pixels: Pixels) -> Pixels:
    """Pale washes with darker rims, on grained paper that stays bare along a ragged edge."""
    wash = _strokes(_strokes(pixels, 0.006), 0.004)
    wash = 0.1 + 0.9 * saturate(wash, 1.35) ** 0.72
    wash = wash * (0.9 + 0.2 * _clouds(pixels, 9)) * (1 - 0.3 * _edges(wash))
    margin = 1 - vignette(np.ones_like(pixels), 1.0)
    bare = np.clip((margin + 0.5 * _clouds(pixels, 14) - 0.75) * 6, 0, 1)
    return _mix(wash, np.ones_like(wash), bare) * (0.93 + 0.07 * _clouds(pixels, 300))


def pixelate(pixels: Pixels) -> Pixels:
    height, width, _ = pixels.shape
    block = max(1, round(max(height, width) / 64))
    small = to_image(pixels).resize((-(-width // block), -(-height // block)), Image.Resampling.BOX)
    large = to_pixels(small).repeat(block, axis=0).repeat(block, axis=1)
    return large[:height, :width]


def posterise(pixels: Pixels) -> Pixels:
    return _levels(saturate(_strokes(pixels, 0.003), 1.5), 4)


def cartoon(pixels: Pixels) -> Pixels:
    flat = saturate(_strokes(_strokes(pixels, 0.004), 0.003), 1.5)
    ink: Pixels = np.clip(_edges(flat) * 2 - 0.6, 0, 0.9)
    return _mix(flat, _levels(flat, 6), 0.7) * (1 - ink)


# Shape


def crop_square(pixels: Pixels) -> Pixels:
    height, width, _ = pixels.shape
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return pixels[top : top + side, left : left + side]


def border(pixels: Pixels, shade: float = 1.0) -> Pixels:
    edge = max(1, round(0.045 * max(pixels.shape)))
    return np.pad(pixels, ((edge, edge), (edge, edge), (0, 0)), constant_values=shade)


def invert(pixels: Pixels) -> Pixels:
    return 1 - pixels


def mirror(pixels: Pixels) -> Pixels:
    return pixels[:, ::-1]


def flip(pixels: Pixels) -> Pixels:
    return pixels[::-1]


def turn(pixels: Pixels, quarters: int) -> Pixels:
    """Quarters of a circle, to the left."""
    return np.rot90(pixels, quarters)


def lettered(pixels: Pixels, text: str) -> Pixels:
    return to_pixels(caption(to_image(pixels), text))


# What the effects are made of


def _luma(pixels: Pixels) -> Pixels:
    """Perceived light, without the axis of channels."""
    luma: Pixels = 0.299 * pixels[..., 0] + 0.587 * pixels[..., 1] + 0.114 * pixels[..., 2]
    return luma


def _grey(pixels: Pixels) -> Pixels:
    return np.repeat(_luma(pixels)[..., None], 3, axis=2)


def _mix(one: Pixels, other: Pixels, share: float | Pixels) -> Pixels:
    return one + (other - one) * share


def _screen(one: Pixels, other: Pixels) -> Pixels:
    return 1 - (1 - one) * (1 - other)


def _edges(pixels: Pixels) -> Pixels:
    """How fast the light changes, 1 where it does so most, in three equal channels."""
    grey = blur(_grey(pixels), 0.0015)
    edges = np.abs(grey - _moved(grey, 1, 0)) + np.abs(grey - _moved(grey, 0, 1))
    strongest = max(float(np.percentile(edges[::4, ::4, 0], 99)), 0.02)
    return np.clip(edges / strongest, 0, 1)


def _levels(pixels: Pixels, number: int) -> Pixels:
    """Few steps of light; the hue stays, which rounding each channel would not let it."""
    grey = np.maximum(_grey(pixels), 0.01)
    return np.clip(pixels * np.ceil(grey * number - 0.35) / number / grey, 0, 1)


def _clouds(pixels: Pixels, cells: int) -> Pixels:
    """Soft blotches from 0 to 1, so many across the picture."""
    height, width, _ = pixels.shape
    share = cells / max(height, width)
    size = (max(1, int(height * share)), max(1, int(width * share)))
    blotches = to_image(np.random.default_rng(1).random(size)).resize(
        (width, height), Image.Resampling.BICUBIC
    )
    return np.repeat(to_pixels(blotches)[..., None], 3, axis=2)


def _noise(pixels: Pixels, amount: float) -> Pixels:
    """The same for every picture of this size, so that an edit can be repeated."""
    noise = np.random.default_rng(0).standard_normal(pixels.shape[:2], np.float32) * amount
    return np.repeat(noise[..., None], 3, axis=2)


def _grain(pixels: Pixels, amount: float) -> Pixels:
    return pixels + _noise(pixels, amount)


def _strokes(pixels: Pixels, share: float) -> Pixels:
    """Kuwahara's filter: every pixel takes the mean of that one of four neighbouring squares which
    varies least. Flat brush strokes that keep the edges."""
    height, width, _ = pixels.shape
    radius = max(1, round(share * max(height, width)))
    box = ImageFilter.BoxBlur(radius)
    mean = np.asarray(to_image(pixels).filter(box))  # Bytes from here on, for the sake of speed.
    rough = np.asarray(to_image(2 * _luma(np.abs(pixels - to_pixels(mean)))).filter(box))
    means = np.pad(mean, ((radius, radius), (radius, radius), (0, 0)), "edge")
    roughs = np.pad(rough, radius, "edge")
    best, least = mean.copy(), np.full_like(rough, 255)
    for top, left in product((0, 2 * radius), repeat=2):
        square = np.s_[top : top + height, left : left + width]
        np.copyto(best, means[square], where=(roughs[square] < least)[..., None])
        np.minimum(least, roughs[square], out=least)
    return to_pixels(best)


def _moved(pixels: Pixels, down: int, right: int) -> Pixels:
    """Shifted by that many pixels; the first row and column fill the gap."""
    height, width, _ = pixels.shape
    return np.pad(pixels, ((down, 0), (right, 0), (0, 0)), "edge")[:height, :width]


def _soften(pixels: Pixels, blur: ImageFilter.MultibandFilter) -> Pixels:
    return to_pixels(to_image(pixels).filter(blur))


def to_image(pixels: Pixels) -> Image.Image:
    return Image.fromarray((np.clip(pixels, 0, 1) * 255 + 0.5).astype(np.uint8))


def to_pixels(image: Image.Image | NDArray[np.uint8]) -> Pixels:
    return np.asarray(image, np.float32) / 255
