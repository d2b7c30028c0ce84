"""Sequence diagrams of a log: `model` says what is in them, `svg` and `mermaid` write them."""
