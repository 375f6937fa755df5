"""Runs one process and tells its time, processor time and peak memory; standard library alone.

A process of its own, because Linux counts the memory of whoever starts a program into the program's
peak: this one is small. Reads ``{argv, env, cwd, out, err}`` as JSON and prints what was measured.
"""

import json
import os
import sys
import time


def main() -> None:
    """Run what standard input asks for."""
    asked = json.load(sys.stdin)
    os.chdir(asked["cwd"])
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, asked["out"], flags, 0o644),
        (os.POSIX_SPAWN_OPEN, 2, asked["err"], flags, 0o644),
    ]
    started = time.monotonic()
    child = os.posix_spawn(asked["argv"][0], asked["argv"], asked["env"], file_actions=actions)
    _, status, usage = os.wait4(child, 0)
    ended = time.monotonic()
    told = {
        "started": started,
        "seconds": ended - started,
        # Of the process and of those that it waited for.
        "cpu": usage.ru_utime + usage.ru_stime,
        # The largest of these, not their sum; kilobytes on Linux, bytes on macOS.
        "peak": usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024),
        "code": os.waitstatus_to_exitcode(status),
    }
    json.dump(told, sys.stdout)


if __name__ == "__main__":
    main()
