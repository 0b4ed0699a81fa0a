"""Modules imported before they are needed, while nobody waits for them."""

import _thread

__all__ = ["Ahead"]


class Ahead:
    """Imports these modules of the package in a thread.

    The thread is one below `threading`, which it must not import: up to Python 3.12 that takes its first importer for the
    main thread. Before a fork it is to be joined: the child would wait for ever for a module that is half imported.
    """

    def __init__(self, *modules):
        self._modules = modules
        self._done = _thread.allocate_lock()
        self._done.acquire()
        _thread.start_new_thread(self._run, ())

    def _run(self):
        try:
            for module in self._modules:
                __import__(f"{__package__}.{module}")
        except BaseException:
            pass  # whoever needs it imports it again, and is told
        finally:
            self._done.release()

    def join(self):
        with self._done:
            pass
