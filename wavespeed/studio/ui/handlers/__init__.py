"""What the page's events do, a file for each part of it."""
