"""The numbers of Fibonacci: 0, 1, and each next one the sum of the two before it."""

LARGEST = 10_000
"""Its number has 2090 digits: enough to marvel at, and they are there within half a millisecond."""


def fibonacci(n: int) -> int:
    """By doubling: a step for each bit of n."""
    a, b = 0, 1
    for bit in f"{n:b}":
        a, b = a * (2 * b - a), a * a + b * b
        if bit == "1":
            a, b = b, a + b
    return a
