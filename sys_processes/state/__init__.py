"""`state:sys:nectar`: what each process wants to find again after a restart (PROTOCOL 7.6)."""
