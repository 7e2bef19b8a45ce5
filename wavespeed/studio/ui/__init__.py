"""What the page shows, and what its events do."""
