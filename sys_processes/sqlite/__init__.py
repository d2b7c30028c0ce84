"""`sqlite:sys:nectar`: SQL databases for packages (PROTOCOL 7.5)."""
