"""`python -m pipeline`: asks the warm process, where there is one, else runs the command itself."""

import sys

from pipeline.runner.warm import ask

code = ask(sys.argv[1:])
if code is None:
    from pipeline.cli import main

    code = main()
sys.exit(code)
