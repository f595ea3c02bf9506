"""`python -m ringfence.cli`: the `ringfence` command of this very interpreter."""

from ringfence.cli import main

main()
