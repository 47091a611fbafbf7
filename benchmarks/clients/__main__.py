"""One client, one job: ``python -m clients MODULE CLASS JOB``, in this folder's parent.

The job is JSON, and so is the outcome, or the error, that is printed.
"""

import json
import sys
from dataclasses import asdict
from functools import partial
from importlib import import_module

from clients.base import Client, Job, measure


def main(module: str, kind: str, job: str) -> int:
    try:
        client: Client = getattr(import_module(f"clients.{module}"), kind)(Job(**json.loads(job)))
        lack = client.lacks()
        if lack is not None:
            print(json.dumps({"error": lack}))
            return 1
        outcome = client.run(partial(measure, client))
    except Exception as error:
        print(json.dumps({"error": f"{type(error).__name__}: {error}"}))
        return 1
    print(json.dumps(asdict(outcome)))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
