"""`net:sys:nectar`: carries messages between nodes over links that are proven and never hang."""
