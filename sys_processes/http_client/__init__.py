"""`http_client:sys:nectar`: requests and sockets to the outside world (PROTOCOL 7.1)."""
