"""The look: greys that never tint a photograph, one accent for what is alive."""

from __future__ import annotations

import gradio as gr

_LIGHT = {
    "body_background_fill": "#f6f6f6",
    "body_text_color": "#171717",
    "body_text_color_subdued": "#5c5c5c",
    "background_fill_primary": "#ffffff",
    "background_fill_secondary": "#f6f6f6",
    "block_background_fill": "#ffffff",
    "border_color_primary": "#e3e3e3",
    "border_color_accent": "#0b63ce",
    "block_border_color": "#e3e3e3",
    "color_accent": "#0b63ce",
    "color_accent_soft": "#e7f0fb",
    "input_background_fill": "#ffffff",
    "input_border_color": "#8c8c8c",
    "input_border_color_focus": "#0b63ce",
    "input_placeholder_color": "#6b6b6b",
    "button_primary_background_fill": "#171717",
    "button_primary_background_fill_hover": "#333333",
    "button_primary_text_color": "#ffffff",
    "button_secondary_background_fill": "#ffffff",
    "button_secondary_background_fill_hover": "#efefef",
    "button_secondary_border_color": "#cfcfcf",
    "button_secondary_text_color": "#171717",
    "checkbox_background_color": "#ffffff",
    "checkbox_background_color_selected": "#171717",
    "checkbox_border_color": "#8c8c8c",
    "checkbox_border_color_selected": "#171717",
    "checkbox_label_background_fill": "transparent",
    "loader_color": "#0b63ce",
}
_DARK = {
    "body_background_fill": "#121212",
    "body_text_color": "#f0f0f0",
    "body_text_color_subdued": "#a9a9a9",
    "background_fill_primary": "#1b1b1b",
    "background_fill_secondary": "#161616",
    "block_background_fill": "#1b1b1b",
    "border_color_primary": "#2b2b2b",
    "border_color_accent": "#6cb0ff",
    "block_border_color": "#2b2b2b",
    "color_accent_soft": "#16283c",
    "input_background_fill": "#161616",
    "input_border_color": "#6e6e6e",
    "input_border_color_focus": "#6cb0ff",
    "input_placeholder_color": "#949494",
    "button_primary_background_fill": "#f0f0f0",
    "button_primary_background_fill_hover": "#d8d8d8",
    "button_primary_text_color": "#121212",
    "button_secondary_background_fill": "#1b1b1b",
    "button_secondary_background_fill_hover": "#262626",
    "button_secondary_border_color": "#3d3d3d",
    "button_secondary_text_color": "#f0f0f0",
    "checkbox_background_color": "#161616",
    "checkbox_background_color_selected": "#6cb0ff",
    "checkbox_border_color": "#6e6e6e",
    "checkbox_border_color_selected": "#6cb0ff",
    "checkbox_label_background_fill": "transparent",
    "loader_color": "#6cb0ff",
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

FONT = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "Noto Sans", "sans-serif")
MONO = ("ui-monospace", "SF Mono", "Menlo", "Consolas", "monospace")


def theme() -> gr.themes.Base:
    """System fonts only: nothing is fetched from anywhere."""
    dark = {f"{name}_dark": value for name, value in _DARK.items()}
    return gr.themes.Base(
        primary_hue="neutral",
        secondary_hue="neutral",
        neutral_hue="neutral",
        font=FONT,
        font_mono=MONO,
    ).set(**_LIGHT, **dark, **_BOTH)
