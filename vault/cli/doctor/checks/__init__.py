"""The checks: each file has `check(at: Examined) -> Iterable[Finding]`, and says in its first line what it looks at."""
