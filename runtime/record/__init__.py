"""What a node writes down of a run, so that it can be run again (docs/record.md)."""
