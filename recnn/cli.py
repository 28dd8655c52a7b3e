"""The command line `recnn`. Ctrl-C ends it in one line, while it starts as well: all else is imported within."""

import contextlib
import os
import signal
import sys
import threading
from types import FrameType

INTERRUPTED = 128 + signal.SIGINT


def main() -> None:
    """Run the command line, see `recnn.commands.app`; when it is interrupted, exit with status 130."""
    process = os.getpid()

    def interrupt(number: int, frame: FrameType | None) -> None:
        """Raise KeyboardInterrupt; but end at once during an import, where other errors would take its place."""
        if frame is not None and frame.f_code.co_name == "__del__":  # which no error leaves: a little later, then
            threading.Timer(0.01, signal.pthread_kill, (threading.main_thread().ident, number)).start()
            return
        while frame is not None and os.getpid() == process:
            if frame.f_code.co_filename.startswith("<frozen importlib"):
                with contextlib.suppress(Exception):
                    sys.stdout.flush()
                os.write(2, b"recnn: interrupted\n")
                os._exit(INTERRUPTED)
            frame = frame.f_back
        raise KeyboardInterrupt

    default = signal.getsignal(signal.SIGINT) is signal.default_int_handler  # not where Ctrl-C is ignored
    default = default and threading.current_thread() is threading.main_thread()
    if default:
        signal.signal(signal.SIGINT, interrupt)
    try:
        from recnn.commands.app import run

        run()
    except KeyboardInterrupt:
        print("recnn: interrupted", file=sys.stderr)
        sys.exit(INTERRUPTED)
    except SystemExit as end:
        if end.code == INTERRUPTED:  # what typer makes of KeyboardInterrupt
            print("recnn: interrupted", file=sys.stderr)
        raise
    finally:
        if default:
            signal.signal(signal.SIGINT, signal.default_int_handler)
