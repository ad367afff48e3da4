"""`python -m slotwatch` is the command `slotwatch`."""

from slotwatch.cli import main

main()
