"""People's labels: sheets that hide who answered, and what comes back on them."""
