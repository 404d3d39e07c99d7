"""Splits off a process for each load that it is told of: `python -m tests.faults.nursery`.

A line is a source and an address; or a JSON list of a function of `laden`, its arguments and its options; or what is to
be brought back where, `get ADDRESS FORM FOLDER`. Each is answered with the process id; or `wait`, with the exit code.
"""

import json
import os
import sys

from laden.values.errors import LadenError
from laden.verbs.get import get
from laden.verbs.load import load
from tests.faults.scene import small_blocks, small_ranges


def work(source: str, url: str) -> int:
    with small_blocks():
        try:
            return load(source, url).exit_code
        except LadenError as error:
            return int(error.exit_code)


def work_back(url: str, form: str, folder: str) -> int:
    with small_ranges():
        try:
            return get(url, folder, form=form).exit_code  # type: ignore[arg-type]
        except LadenError as error:
            return int(error.exit_code)


def call(name: str, arguments: list[object], options: dict[str, object]) -> int:
    import laden

    try:
        code: int = getattr(laden, name)(*arguments, **options).exit_code
    except LadenError as error:
        print(error, file=sys.stderr)
        return int(error.exit_code)
    return code


def main() -> None:
    pid = 0
    for line in sys.stdin:
        if line.strip() == "wait":
            print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
            continue
        pid = os.fork()
        if pid == 0:
            words = line.split()
            if line.startswith("["):
                os._exit(call(*json.loads(line)))
            os._exit(work_back(*words[1:]) if words[0] == "get" else work(*words))
        print(pid, flush=True)


if __name__ == "__main__":
    main()
