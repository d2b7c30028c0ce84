"""Links to other nodes: TLS in WebSocket frames, on the port of http_server (DESIGN section 6, docs/links.md)."""
