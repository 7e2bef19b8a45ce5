"""Whose requests are answered, what they may bring, and which files they may name."""
