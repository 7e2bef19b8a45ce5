"""What the words of a prompt do to a picture: plain filters, chosen by whole words and phrases.

A picture is an array of height x width x 3 numbers from 0 to 1, an effect makes another one of it.
Sizes are shares of the long edge, so that a thumbnail and a photograph look alike. `EFFECTS` is
all there is; a negation ("no border") is read as if it were not there.
"""

import re
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from .lettering import caption

Pixels = NDArray[np.floating[Any]]
Effect = Callable[[Pixels], Pixels]

MOST_EFFECTS = 8  # A prompt of all the words there are must not keep a worker for long.
LUMA = np.array([0.299, 0.587, 0.114], np.float32)


def wanted(prompt: str) -> list[Effect]:
    """The effects a prompt asks for, in the order of its words, each once. The first text in
    quotes becomes a caption; words inside it are no effects."""
    found: dict[int, Effect] = {}
    for match in _WORDS.finditer(prompt):
        number = match.lastindex or 0
        if number > 1:
            found.setdefault(number, _APPLY[number - 2])
        elif text := match.group()[1:-1].strip():
            found.setdefault(number, partial(_caption, text=text))
    return list(found.values())[:MOST_EFFECTS]


def mild(pixels: Pixels) -> Pixels:
    """For a prompt that none of our words are in: a little more of everything."""
    return _saturate(_curve(_tone(pixels, 0.96, 1.0, 1.05), 0.35), 1.15)


# Colour and light


def _black_and_white(pixels: Pixels) -> Pixels:
    return _curve(_grey(pixels), 0.5)


def _sepia(pixels: Pixels) -> Pixels:
    return _tone(_curve(_grey(pixels), 0.2), 0.78, 1.05, 1.45)


def _pastel(pixels: Pixels) -> Pixels:
    soft = _saturate(pixels**0.75, 0.85)
    return 0.3 + 0.68 * _mix(soft, _blur(soft, 0.004), 0.4)


def _neon(pixels: Pixels) -> Pixels:
    """Glowing outlines, from violet in the shadows to cyan in the lights, on a night picture."""
    edges = _edges(pixels) ** 0.8
    light = _blur(_grey(pixels), 0.01)
    ink = _mix(
        np.array([1.0, 0.1, 0.75], np.float32), np.array([0.1, 0.95, 1.0], np.float32), light
    )
    lines = np.clip(1.6 * edges, 0, 1) * ink
    night = _saturate(pixels, 1.6) ** 1.8 * np.array([0.45, 0.25, 0.6], np.float32)
    glow = 1.5 * _blur(lines, 0.008) + 1.2 * _blur(lines, 0.03)
    return _screen(_screen(night, np.clip(glow, 0, 1)), lines)


def _vintage(pixels: Pixels) -> Pixels:
    faded = 0.1 + 0.82 * _tone(_saturate(_curve(pixels, 0.4), 0.65), 0.85, 0.98, 1.2)
    return _grain(_vignette(faded, 0.35), 0.035)


def _cinematic(pixels: Pixels) -> Pixels:
    """Teal shadows, orange lights."""
    light = _grey(pixels) - 0.45
    graded = _curve(pixels, 0.55) * 0.94 + light * np.array([0.22, 0.03, -0.22], np.float32)
    return _vignette(_saturate(graded, 1.05), 0.3)


def _vignette(pixels: Pixels, strength: float = 0.75) -> Pixels:
    height, width, _ = pixels.shape
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None, None]
    x = np.linspace(-1, 1, width, dtype=np.float32)[None, :, None]
    return pixels * (1 - strength * np.clip((x * x + y * y) / 2, 0, 1) ** 1.3)


# Detail


def _sharpen(pixels: Pixels) -> Pixels:
    fine, coarse = _blur(pixels, 0.0015), _blur(pixels, 0.006)
    return pixels + 1.2 * (pixels - fine) + 0.5 * (pixels - coarse)


def _dreamy(pixels: Pixels) -> Pixels:
    """Darkroom print of a sharp and a soft negative, after Michael Orton."""
    glow = _blur(_saturate(pixels, 1.3) ** 1.3, 0.02)
    return _mix(pixels, _screen(pixels * 0.9, glow), 0.8)


def _sketch(pixels: Pixels) -> Pixels:
    """Colour dodge with the blurred negative leaves the strokes of a pencil."""
    grey = _grey(pixels)
    strokes = grey / np.maximum(1 - _blur(1 - grey, 0.01), 0.02)
    shade = 0.8 + 0.2 * _blur(grey, 0.003) ** 0.7
    return _grain(np.clip(strokes, 0, 1) ** 2.2 * shade, 0.02)


def _oil(pixels: Pixels) -> Pixels:
    painted = _saturate(_strokes(_strokes(pixels, 0.007), 0.004), 1.35)
    return _curve(painted, 0.3) + 0.35 * (painted - _moved(painted, 2, 2))


def _watercolour(pixels: Pixels) -> Pixels:
    """Pale washes with darker rims, on grained paper that shows at the edges."""
    wash = _strokes(_strokes(pixels, 0.01), 0.006)
    wash = 0.12 + 0.88 * _saturate(wash, 1.3) ** 0.7
    rims = _blur(_edges(wash), 0.0015)
    paper = 0.93 + _blur(_noise(pixels, 0.5), 0.001)
    bare = _blur(_noise(pixels, 2.5), 0.02) * 1.5 + 1 - _vignette(np.ones_like(pixels), 1.0)
    bare = np.clip((bare - 0.45) * 5, 0, 1)
    return _mix(wash * (1 - 0.35 * rims), np.ones_like(wash), bare) * paper


def _pixelate(pixels: Pixels) -> Pixels:
    height, width, _ = pixels.shape
    block = max(1, round(max(height, width) / 64))
    small = to_image(pixels).resize((-(-width // block), -(-height // block)), Image.Resampling.BOX)
    return np.kron(to_pixels(small), np.ones((block, block, 1), np.float32))[:height, :width]


def _posterise(pixels: Pixels) -> Pixels:
    flat = _saturate(_strokes(pixels, 0.004), 1.4)
    return np.round(flat * 3) / 3


def _cartoon(pixels: Pixels) -> Pixels:
    flat = _saturate(_strokes(_strokes(pixels, 0.006), 0.004), 1.5)
    flat = _mix(flat, np.round(flat * 6) / 6, 0.6)
    return flat * (1 - np.clip(_edges(flat) * 2.2 - 0.5, 0, 0.9))


# Shape


def _crop_square(pixels: Pixels) -> Pixels:
    height, width, _ = pixels.shape
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return pixels[top : top + side, left : left + side]


def _border(pixels: Pixels, shade: float = 1.0) -> Pixels:
    edge = max(1, round(0.045 * max(pixels.shape)))
    return np.pad(pixels, ((edge, edge), (edge, edge), (0, 0)), constant_values=shade)


def _turn(pixels: Pixels, quarters: int) -> Pixels:
    """Quarters of a circle, to the left."""
    return np.rot90(pixels, quarters)


def _caption(pixels: Pixels, text: str) -> Pixels:
    return to_pixels(caption(to_image(pixels), text))


# What the effects are made of


def _grey(pixels: Pixels) -> Pixels:
    return np.repeat((pixels @ LUMA)[..., None], 3, axis=2)


def _mix(one: Pixels, other: Pixels, share: float | Pixels) -> Pixels:
    return one + (other - one) * share


def _screen(one: Pixels, other: Pixels) -> Pixels:
    return 1 - (1 - one) * (1 - other)


def _saturate(pixels: Pixels, amount: float) -> Pixels:
    return np.clip(_mix(_grey(pixels), pixels, amount), 0, 1)


def _tone(pixels: Pixels, red: float, green: float, blue: float) -> Pixels:
    """A gamma for each channel: it tints what lies between black and white, and leaves those."""
    return pixels ** np.array([red, green, blue], np.float32)


def _curve(pixels: Pixels, amount: float) -> Pixels:
    """Contrast as an S, which never clips; less than none where the amount is negative."""
    return _mix(pixels, pixels * pixels * (3 - 2 * pixels), amount)


def _blur(pixels: Pixels, share: float) -> Pixels:
    return _soften(pixels, ImageFilter.GaussianBlur(share * max(pixels.shape)))


def _edges(pixels: Pixels) -> Pixels:
    """How fast the light changes, 1 where it does so most, in three equal channels."""
    grey = _blur(_grey(pixels), 0.0015)
    edges = np.abs(grey - _moved(grey, 1, 0)) + np.abs(grey - _moved(grey, 0, 1))
    return np.clip(edges / max(float(np.percentile(edges[::4, ::4], 99)), 0.02), 0, 1)


def _noise(pixels: Pixels, amount: float) -> Pixels:
    """The same for every picture of this size, so that an edit can be repeated."""
    noise = np.random.default_rng(0).standard_normal(pixels.shape[:2], np.float32) * amount
    return np.repeat(noise[..., None], 3, axis=2)


def _grain(pixels: Pixels, amount: float) -> Pixels:
    return pixels + _noise(pixels, amount)


def _strokes(pixels: Pixels, share: float) -> Pixels:
    """Kuwahara's filter: every pixel takes the mean of that one of four neighbouring squares which
    varies least. Flat brush strokes that keep the edges."""
    radius = max(1, round(share * max(pixels.shape)))
    mean = _soften(pixels, ImageFilter.BoxBlur(radius))
    rough = _grey(_soften(np.abs(pixels - mean) * 2, ImageFilter.BoxBlur(radius)))
    best, least = mean, np.full_like(rough, np.inf)
    for down, right in ((-1, -1), (-1, 1), (1, -1), (1, 1)):
        nearby = _moved(rough, down * radius, right * radius)
        best = np.where(nearby < least, _moved(mean, down * radius, right * radius), best)
        least = np.minimum(least, nearby)
    return best


def _moved(pixels: Pixels, down: int, right: int) -> Pixels:
    """Shifted by that many pixels; the row and the column at the edge fill the gap."""
    height, width, _ = pixels.shape
    rows = np.clip(np.arange(height) - down, 0, height - 1)
    columns = np.clip(np.arange(width) - right, 0, width - 1)
    return pixels[rows][:, columns]


def _soften(pixels: Pixels, blur: ImageFilter.MultibandFilter) -> Pixels:
    return to_pixels(to_image(pixels).filter(blur))


def to_image(pixels: Pixels) -> Image.Image:
    return Image.fromarray((np.clip(pixels, 0, 1) * 255 + 0.5).astype(np.uint8))


def to_pixels(image: Image.Image) -> Pixels:
    return np.asarray(image, np.float32) / 255


EFFECTS: dict[str, Effect] = {
    r"black[ -]and[ -]white|black ?& ?white|b ?[&/] ?w|monochrom(?:e|atic)|gr[ae]y[ -]?scale|noir": (
        _black_and_white
    ),
    r"sepia(?:[ -]toned?)?": _sepia,
    r"warm(?:er|th|ly)?|golden hour|sunset|sunny|autumn(?:al)?": partial(
        _tone, red=0.78, green=0.97, blue=1.25
    ),
    r"cool(?:er)?|cold(?:er)?|wint(?:er|ry)|icy|moonlight": partial(
        _tone, red=1.25, green=1.0, blue=0.8
    ),
    r"bright(?:er|en|ness)?|lighter|lighten": partial(_tone, red=0.65, green=0.65, blue=0.65),
    r"dark(?:er|en)?|dim(?:mer)?|moody|night(?:time)?": partial(
        _tone, red=1.75, green=1.7, blue=1.6
    ),
    r"(?:less|low(?:er)?|soft(?:er)?|reduced?) contrast|flat(?:ter)?": partial(_curve, amount=-0.7),
    r"(?:(?:more|high(?:er)?|strong(?:er)?|increased?) )?contrast(?:y|ed)?|dramatic": partial(
        _curve, amount=1.0
    ),
    r"(?:less|low(?:er)?|reduced?) (?:colou?r|saturat(?:ed|ion))|desaturated?|muted|faded": partial(
        _saturate, amount=0.4
    ),
    r"saturat(?:ed?|ion)|vivid|vibrant|colou?rful|(?:more|stronger) colou?rs?": partial(
        _saturate, amount=1.8
    ),
    r"pastels?": _pastel,
    r"neon|cyberpunk|synthwave": _neon,
    r"vintage|retro|polaroid|old[ -]fashioned|old photo(?:graph)?|film grain": _vintage,
    r"cinematic|movie|film(?:ic)?(?: look)?|teal and orange": _cinematic,
    r"sharp(?:er|en)?|crisp(?:er)?|more detail": _sharpen,
    r"blur(?:red|ry)?|out of focus": partial(_blur, share=0.012),
    r"dream(?:y|like)|glow(?:ing)?|ethereal|soft focus": _dreamy,
    r"vignett(?:e|ing)": _vignette,
    r"(?:pencil )?(?:sketch(?:ed)?|drawing|drawn)|pencil|charcoal|line art": _sketch,
    r"water[ -]?colou?rs?(?: painting)?|aquarelle": _watercolour,
    r"oils?[ -]?paint(?:ing|ed)?|paint(?:ing|ed)|impressionist|van gogh": _oil,
    r"pixel(?:ate[ds]?|ated|[ -]art)|8[ -]bit|mosaic": _pixelate,
    r"posteri[sz]ed?|pop[ -]art": _posterise,
    r"cartoon(?:ish|y)?|comic(?:[ -]book)?|anime": _cartoon,
    r"invert(?:ed)?|negative|inverse": partial(np.subtract, 1),
    r"mirror(?:ed)?|flip(?:ped)? (?:it )?(?:horizontally|sideways)": np.fliplr,
    r"flip(?:ped)?(?: (?:it )?vertically)?": np.flipud,
    r"(?:rotated?|turned?) (?:it )?(?:by )?180|upside down": partial(_turn, quarters=2),
    r"(?:rotated?|turned?) (?:it )?(?:by )?(?:90 ?(?:°|degrees) )?(?:to the )?"
    r"(?:left|counter-?clockwise|anti-?clockwise)": partial(_turn, quarters=1),
    r"rotat(?:ed?|ion)|turned? (?:it )?(?:to the )?right": partial(_turn, quarters=-1),
    r"crop(?:ped)?(?: \w+){0,3} square|square crop|crop(?:ped)?|square format|make it square": (
        _crop_square
    ),
    r"(?:black|dark) (?:border|frame)": partial(_border, shade=0.0),
    r"(?:white )?(?:border(?:ed)?|framed?)": _border,
}

_QUOTED = (
    r"\"[^\"]{1,200}\"|“[^”]{1,200}”|„[^“”]{1,200}[“”]|«[^»]{1,200}»|(?<!\w)'[^']{1,200}'(?!\w)"
)
_WORDS = re.compile(
    "|".join([f"({_QUOTED})", *(rf"(?<!\w)({words})(?!\w)" for words in EFFECTS)]), re.IGNORECASE
)
_APPLY = list(EFFECTS.values())
