"""What a person at a terminal types, and what comes of it."""
