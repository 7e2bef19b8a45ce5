"""Runs to take away: the archive, the contact sheet, and the links to them."""
