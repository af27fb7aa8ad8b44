"""`python -m hil.cli`, the same as the command `hil`."""

from hil.cli.main import main

main()
