"""`python -m tocsin`."""

from tocsin.commands import main

main(prog_name="tocsin")
