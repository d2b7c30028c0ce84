"""`vfs:sys:nectar`: the files of packages (PROTOCOL 7.3)."""
