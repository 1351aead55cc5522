"""`python -m cocoannot`: the `cocoannot` command."""

from cocoannot.console import main

main()
