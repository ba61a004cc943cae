"""The privacy policy as data, and the one function that decides by it.

    default.toml   the policy that is shipped: every promise of the published text, with its clause
    load           a file becomes a Policy, or a ConfigError that names the line and what to do
    shape          what may stand in the file at all
    check          what must be true of a policy before the vault starts under it
    contradictions lines that are right each, and wrong together
    methods        the methods that the API serves, and those that are to come
    model          Policy and its rules: frozen, with look-up tables made once
    limits         how much one caller may ask for
    facts          what the customer's record says that decisions depend on
    decide         may this caller read these fields for this purpose?
    explain        the same question, answered in words
    keeping        how long a field is kept, in words
    diff           what a change would change, in words, and whether it widens a promise
    matrix         everybody who may read anything

Judgement only: no clock, no network, and no file but the one that `load` reads. A decision takes values and gives a
value, so it can be asked a million times in a test, and the same code answers "why?".
"""
