"""`python -m qingting` is the command `qingting`."""

from qingting.cli import main

if __name__ == "__main__":
    main()
