"""`python -m pipeline`: hands the command to the warm fork server, where there is one, else runs it itself."""

import sys

from pipeline.runner.warm import INTERRUPTED, ask

try:
    code = ask(sys.argv[1:])
    if code is None:
        from pipeline.cli import main

        code = main()
except ModuleNotFoundError as error:
    if str(error.name).startswith("pipeline"):  # a fault of ours
        raise
    print(
        f"error: {sys.executable} lacks the package {error.name}. Activate the project's environment "
        "(`. .venv/bin/activate`), or use `make`, which makes it.",
        file=sys.stderr,
    )
    code = 2
except KeyboardInterrupt:
    code = INTERRUPTED
sys.exit(code)
