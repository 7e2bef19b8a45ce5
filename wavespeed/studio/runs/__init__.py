"""The core: what a run is, what survives a restart, and who drives it. No Gradio, no HTML."""
