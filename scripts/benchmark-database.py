"""Starts the database server of the tests for a benchmark: with the same options, but nothing expires.

Once a minute that server reads every document to find expired ones, and answers nothing meanwhile: 27 s for a million.
MongoDB finds them by their index. Its setting `ttl_sweep_seconds` is not passed on by its command line.
"""

import secantus.cli
from secantus.server import SecantusDBServer


class Server(SecantusDBServer):
    """Never looks for expired documents."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options, ttl_sweep_seconds=0)


secantus.cli.SecantusDBServer = Server
secantus.cli.main()
