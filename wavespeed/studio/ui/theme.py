"""The look: greys that never tint a photograph, one accent for what is alive."""

from __future__ import annotations

import gradio as gr

from wavespeed.studio.templating import STATIC

# Each with its value in the light and in the dark theme; None: there is only one.
_COLOURS: dict[str, tuple[str, str | None]] = {
    "body_background_fill": ("#f6f6f6", "#121212"),
    "body_text_color": ("#171717", "#f0f0f0"),
    "body_text_color_subdued": ("#5c5c5c", "#a9a9a9"),
    "background_fill_primary": ("#ffffff", "#1b1b1b"),
    "background_fill_secondary": ("#f6f6f6", "#161616"),
    "block_background_fill": ("#ffffff", "#1b1b1b"),
    "border_color_primary": ("#e3e3e3", "#2b2b2b"),
    "border_color_accent": ("#0b63ce", "#6cb0ff"),
    "block_border_color": ("#e3e3e3", "#2b2b2b"),
    "color_accent": ("#0b63ce", None),
    "color_accent_soft": ("#e7f0fb", "#16283c"),
    "input_background_fill": ("#ffffff", "#161616"),
    "input_border_color": ("#8c8c8c", "#6e6e6e"),
    "input_border_color_focus": ("#0b63ce", "#6cb0ff"),
    "input_placeholder_color": ("#6b6b6b", "#949494"),
    "button_primary_background_fill": ("#171717", "#f0f0f0"),
    "button_primary_background_fill_hover": ("#333333", "#d8d8d8"),
    "button_primary_text_color": ("#ffffff", "#121212"),
    "button_secondary_background_fill": ("#ffffff", "#1b1b1b"),
    "button_secondary_background_fill_hover": ("#efefef", "#262626"),
    "button_secondary_border_color": ("#cfcfcf", "#3d3d3d"),
    "button_secondary_text_color": ("#171717", "#f0f0f0"),
    "checkbox_background_color": ("#ffffff", "#161616"),
    "checkbox_background_color_selected": ("#171717", "#6cb0ff"),
    "checkbox_border_color": ("#8c8c8c", "#6e6e6e"),
    "checkbox_border_color_selected": ("#171717", "#6cb0ff"),
    "checkbox_label_background_fill": ("transparent", "transparent"),
    "loader_color": ("#0b63ce", "#6cb0ff"),
}
_BOTH = {
    "block_shadow": "none",
    "block_border_width": "0px",
    "block_padding": "0px",
    "block_radius": "10px",
    "container_radius": "14px",
    "input_radius": "10px",
    "input_shadow": "none",
    "input_shadow_focus": "none",
    "layout_gap": "16px",
    "form_gap_width": "0px",
    "button_large_radius": "10px",
    "button_large_text_weight": "600",
    "button_large_text_size": "15px",
    "button_primary_shadow": "none",
    "button_secondary_shadow": "none",
}

STYLE_SHEETS = [
    STATIC / "css" / f"{name}.css"
    for name in (
        "tokens",
        "layout",
        "inputs",
        "buttons",
        "strip",
        "status",
        "results",
        "compare",
        "lightbox",
        "batch",
        "details",
        "history",
        "controls",
        "audience",
    )
]
"""In the order in which a later one may say otherwise. Gradio reads them, and hands them to the
browser with each selector twice: as it is, and narrowed to its own container; but what stands in a
media query, narrowed alone. So these queries stand in no rule, and nesting is left as it is."""

FONT = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "Noto Sans", "sans-serif")
MONO = ("ui-monospace", "SF Mono", "Menlo", "Consolas", "monospace")


def theme() -> gr.themes.Base:
    """System fonts only: nothing is fetched from anywhere."""
    light = {name: pair[0] for name, pair in _COLOURS.items()}
    dark = {f"{name}_dark": pair[1] for name, pair in _COLOURS.items() if pair[1]}
    return gr.themes.Base(
        primary_hue="neutral",
        secondary_hue="neutral",
        neutral_hue="neutral",
        font=FONT,
        font_mono=MONO,
    ).set(**light, **dark, **_BOTH)
