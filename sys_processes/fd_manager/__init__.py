"""`fd_manager:sys:nectar`: shares the files a node may have open among those who keep some open (PROTOCOL 7.9)."""
