"""`http_server:sys:nectar`: one port for pages, apps, RPC and WebSockets (PROTOCOL section 6)."""
