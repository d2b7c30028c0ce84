"""The system processes, one folder each.

`protocol.py` (wire shapes, public), `core.py` (decisions, no IO), `process.py` (the actor).
"""
