"""The command `tocsin`: what the REST API does, for terminals, crontabs and scripts.

It needs click, requests and rich and nothing of the server, so that `pip install .` of this
repository puts it on a worker machine alone. `commands` has all commands in one file.
"""

__version__ = "0.1.0"
