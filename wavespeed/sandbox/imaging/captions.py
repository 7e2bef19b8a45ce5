"""Text on pictures: the mark that every output carries, and captions. Latin letters only, since
that is what the font inside Pillow has."""

from PIL import Image, ImageDraw, ImageFont

MARK = "sandbox"


def mark(picture: Image.Image) -> Image.Image:
    """The word in the lower right corner. Where it does not fit, the picture gets a margin."""
    letters = max(14, min(picture.size) / 30)
    font = ImageFont.load_default(letters)
    gap = round(letters / 2)
    left, top, right, bottom = font.getbbox(MARK)
    width, height = round(right - left) + 2 * gap, round(bottom - top) + 2 * gap
    size = (max(picture.width, width + 2 * gap), max(picture.height, height + 2 * gap))
    if size != picture.size:
        picture = _centred(picture, size)
    pill = Image.new("RGBA", (width, height))
    draw = ImageDraw.Draw(pill)
    draw.rounded_rectangle((0, 0, width - 1, height - 1), gap, fill=(0, 0, 0, 150))
    draw.text((gap - left, gap - top), MARK, (255, 255, 255, 255), font)
    marked = picture.copy()
    marked.paste(pill, (size[0] - width - gap, size[1] - height - gap), pill)
    return marked


def caption(picture: Image.Image, text: str) -> Image.Image:
    """White letters with a dark outline along the lower edge, as large as they fit."""
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    size = min(picture.size) / 10
    lines = _lines(text, size, picture.width * 0.9)
    while len(lines) > 2 and size > 12:
        size *= 0.8
        lines = _lines(text, size, picture.width * 0.9)
    lettered = picture.copy()
    ImageDraw.Draw(lettered).multiline_text(
        (picture.width / 2, picture.height * 0.92),
        "\n".join(lines),
        "white",
        ImageFont.load_default(size),
        anchor="md",
        align="center",
        stroke_width=size / 14,
        stroke_fill="black",
    )
    return lettered


def _lines(text: str, size: float, width: float) -> list[str]:
    font = ImageFont.load_default(size)
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and font.getlength(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def _centred(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    whole = Image.new("RGB", size, (128, 128, 128))
    whole.paste(picture, ((size[0] - picture.width) // 2, (size[1] - picture.height) // 2))
    return whole
