"""How fast the page is, beside what someone would do instead. `make bench` runs it."""
