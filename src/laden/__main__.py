"""`python -m laden`: the same as `laden`, for where the command is not on the path."""

from laden.cli import main

if __name__ == "__main__":
    main()
