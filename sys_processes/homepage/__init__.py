"""`homepage:homepage:nectar`: the start page, and what apps put on it (PROTOCOL 8.3)."""
