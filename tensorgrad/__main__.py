"""`python -m tensorgrad`: the command line."""

from tensorgrad.cli import main

main()
