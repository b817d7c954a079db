"""`python -m pipeline`: hands the command to the warm fork server, where there is one, else runs it itself."""

import sys

from pipeline.runner.warm import INTERRUPTED, ask

try:
    code = ask(sys.argv[1:])
    if code is None:
        from pipeline.cli import main

        code = main()
except KeyboardInterrupt:
    code = INTERRUPTED
sys.exit(code)
