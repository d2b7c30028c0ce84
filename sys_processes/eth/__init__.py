"""`eth:sys:nectar`: refuses, for there is no chain (PROTOCOL 7.10)."""
