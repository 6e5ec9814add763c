"""One's own network in one HTML file: see `write_page`."""
