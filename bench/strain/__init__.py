"""The load suite: `make load`, or `python -m bench.strain`. What it promises is in docs/load.md."""
