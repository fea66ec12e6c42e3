"""`python -m engine.cli`: the same as the `dualalign` command."""

from engine.cli import main

main()
