"""`kv:sys:nectar`: databases of keys and values for packages (PROTOCOL 7.4)."""
