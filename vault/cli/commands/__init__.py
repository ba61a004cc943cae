"""The commands: a file `show.py` has `command`, the command `show`; a folder is a group of commands.

The first line of the docstring is what `--help` of the group says. A name that Python reserves ends in an underscore,
which the command drops: `import_.py`.
"""
