# ruff: noqa: INP001 - a user's package
def greeting(name: str) -> str:
    return f"hello {name}"
