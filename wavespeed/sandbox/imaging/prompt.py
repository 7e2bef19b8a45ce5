"""Which words of a prompt mean which effect: whole words and phrases, in the order they stand.

`EFFECTS` is all that is understood; a negation ("no border") is not. A longer phrase stands before
the words it begins with.
"""

import re
from collections.abc import Callable
from functools import partial

from . import effects
from .effects import Pixels

Effect = Callable[[Pixels], Pixels]

MOST_EFFECTS = 8  # A prompt of all the words there are must not keep a worker for long.

_LESS, _MORE = r"(?:less|low(?:er)?|reduced?|soft(?:er)?)", r"(?:more|high(?:er)?|strong(?:er)?)"
_TURN = r"(?:rotated?|turn(?:ed)?)(?: it)?(?: by)?(?: 90(?: ?°| degrees)?)?(?: to the)?"

EFFECTS: dict[str, Effect] = {
    r"black[ -]and[ -]white|black ?& ?white|b ?[&/] ?w|noir": effects.black_and_white,
    r"monochrom(?:e|atic)|gr[ae]y[ -]?scale": effects.black_and_white,
    r"sepia(?:[ -]toned?)?": effects.sepia,
    r"warm(?:er|th|ly)?|golden hour|sunset|sunny|autumn(?:al)?": effects.warm,
    r"cool(?:er)?|cold(?:er)?|wint(?:er|ry)|icy|moonlight": effects.cool,
    r"bright(?:er|en(?:ed)?|ness)?|light(?:er|en(?:ed)?)": effects.bright,
    rf"(?:{_LESS} )brightness|dark(?:er|en(?:ed)?)?|dim(?:mer)?|moody|night(?:time)?": effects.dark,
    rf"{_LESS} contrast": effects.less_contrast,
    rf"(?:{_MORE} )?contrast|dramatic": effects.more_contrast,
    rf"{_LESS} (?:colou?rs?|saturat(?:ed|ion))|desaturated?|muted|faded": effects.muted,
    rf"(?:{_MORE} )?saturat(?:ed?|ion)|{_MORE} colou?rs?|vivid|vibrant|colou?rful": effects.vivid,
    r"pastels?": effects.pastel,
    r"neon|cyberpunk|synthwave": effects.neon,
    r"vintage|retro|polaroid|old[ -]fashioned|old photo(?:graph)?|film grain": effects.vintage,
    r"cinematic|movie|film|teal and orange": effects.cinematic,
    r"sharp(?:er|en(?:ed)?)?|crisp(?:er)?|more detail": effects.sharpen,
    r"blur(?:red|ry)?|out of focus": effects.blur,
    r"dream(?:y|like)|glow(?:ing)?|ethereal|soft focus": effects.dreamy,
    r"vignett(?:e|ing)": effects.vignette,
    r"(?:pencil )?(?:sketch(?:ed)?|drawing|drawn)|pencil|charcoal|line art": effects.sketch,
    r"water[ -]?colou?rs?(?: painting)?|aquarelle": effects.watercolour,
    r"oils?[ -]?paint(?:ing|ed)?|paint(?:ing|ed)|impressionist|van gogh": effects.oil,
    r"pixel(?:ated?|[ -]art)|8[ -]bit|mosaic": effects.pixelate,
    r"posteri[sz]ed?|pop[ -]art": effects.posterise,
    r"cartoon(?:ish|y)?|comic(?:[ -]book)?|anime": effects.cartoon,
    r"invert(?:ed)?|negative": effects.invert,
    r"mirror(?:ed)?|flip(?:ped)?(?: it)? horizontally": effects.mirror,
    r"flip(?:ped)?": effects.flip,
    r"(?:rotated?|turn(?:ed)?)(?: it)?(?: by)? 180|upside down": partial(effects.turn, quarters=2),
    rf"{_TURN} (?:left|counter-?clockwise|anti-?clockwise)": partial(effects.turn, quarters=1),
    r"rotated?|turn(?:ed)?(?: it)?(?: to the)? right": partial(effects.turn, quarters=-1),
    r"crop(?:ped)?|square (?:crop|format)|make (?:it|this) (?:a )?square": effects.crop_square,
    r"black (?:border|frame)": partial(effects.border, shade=0.0),
    r"(?:white )?(?:border(?:ed)?|framed?)": effects.border,
}

_QUOTED = r""""[^"]{1,200}"|“[^”]{1,200}”|«[^»]{1,200}»|(?<!\w)'[^']{1,200}'(?!\w)"""
_WORDS = re.compile(
    rf"({_QUOTED})|(?<!\w)(?:{'|'.join(f'({words})' for words in EFFECTS)})(?!\w)", re.IGNORECASE
)
_JOINING = re.compile(
    r"\b(?:collage|combined?|side[ -]by[ -]side|next to each other|join(?:ed)?|merged?)\b",
    re.IGNORECASE,
)


def wanted(prompt: str) -> list[Effect]:
    """The effects it asks for, each once, in order. The first text in quotes is a caption, and
    words in quotes are no effects."""
    apply = list(EFFECTS.values())
    found: dict[int, Effect] = {}
    for match in _WORDS.finditer(prompt):
        group = match.lastindex or 0
        if group > 1:
            found.setdefault(group, apply[group - 2])
        elif text := match.group()[1:-1].strip():
            found.setdefault(group, partial(effects.lettered, text=text))
    return list(dict.fromkeys(found.values()))[:MOST_EFFECTS]


def joins(prompt: str) -> bool:
    """Whether several pictures are to become one."""
    return _JOINING.search(prompt) is not None
