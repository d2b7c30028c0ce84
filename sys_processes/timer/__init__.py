"""`timer:sys:nectar`: answers after a while (PROTOCOL 7.2)."""
