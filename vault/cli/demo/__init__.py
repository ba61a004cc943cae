"""The main job from start to end, in a folder that is gone afterwards; every line that says `ok` was checked.

    play        one step after the other, then the end; also when a step fails
    screen      what is said: steps, claims and details, for people or as JSON
    stage       the place: its folders, its server, its customers, and what one step leaves for the next
    server      `customer-vault serve` in a process of its own
    customers   a made-up table
    thief       stolen files, and all that can be tried with them
    outsider    checks the receipt of an erasure, in a Python of its own that has nothing of this package
    steps       one file for each step, in the order of their names

A step says what happened by claims, each with the condition under which it is true. A claim that does not hold ends
the demo with exit code 1, and so does a step that claims nothing. Where a step shows that something cannot be done, it
also does it once with the key that was missing: an attempt that never works proves nothing.
"""
