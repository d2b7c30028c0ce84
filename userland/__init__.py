"""What runs on a node: `process_lib` (what actors import) and `apps` (example packages)."""
