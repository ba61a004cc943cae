"""The steps, found by their names: a file `s20_import.py` has `run(stage, say)`; its first line is the step's title."""
