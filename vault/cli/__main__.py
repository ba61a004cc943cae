"""`python -m vault.cli`, where the command is not on the path."""

from vault.cli import main

if __name__ == "__main__":
    main()
