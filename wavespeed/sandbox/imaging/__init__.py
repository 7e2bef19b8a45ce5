"""The simple filters that play the model: from a prompt and pictures to a PNG."""
