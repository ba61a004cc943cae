"""What may go wrong with a vault, looked for before it does; each finding with its remedy.

    examine   what a check is given, what it says, and the round of all checks
    checks    a file each, found by folder; each has `check(at)`, which yields findings

Doctor changes nothing and prints no secret. It may run beside the server.
"""
