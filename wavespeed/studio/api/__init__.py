"""The page's API for scripts and models."""
