"""What the page offers to begin with: photographs of ours, and prompts."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Example:
    """Fills the fields with a photograph of ours and a prompt."""

    title: str
    prompt: str
    photos: tuple[str, ...]


EXAMPLES = (
    Example(
        "Product and fashion",
        "Product photo in warm golden hour light, soft shadows, more contrast",
        ("coffee.jpg",),
    ),
    Example(
        "UI and brand",
        'Launch poster in pastel colours with a white border and the caption "Lift off"',
        ("rocket.jpg",),
    ),
    Example(
        "Creative direction",
        "Turn it into an oil painting with vivid colours",
        ("chelsea.jpg",),
    ),
    Example(
        "Photography",
        "Studio portrait in black and white, strong contrast, soft vignette",
        ("astronaut.jpg",),
    ),
)
"""One for each use that the model's page names, with words that the sandbox understands too."""
CHIPS = (
    ("Black and white", "Make it black and white with a strong contrast"),
    ("Neon night", "Turn it into a neon night scene, cinematic"),
    ("Pastel", "Redo it in soft pastel colours with a white border"),
)
