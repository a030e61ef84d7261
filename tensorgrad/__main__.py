"""`python -m tensorgrad`: the command line."""

from tensorgrad.cli import main

if __name__ == "__main__":
    main()
