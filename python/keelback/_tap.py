"""What the program itself prints, told to those who asked for it as well."""

from . import _output

__all__ = ["Tap"]


class Tap:
    """From now on until `remove`, `sink(name, text)` is told what is written to the program's own stdout and stderr."""

    def __init__(self, sink):
        self._streams = []
        for name in ("stdout", "stderr"):
            stream = _output.programs(name)
            if stream is not None:
                tapped = _Tapped(name, stream, sink)
                _output.replace(name, stream, tapped)
                self._streams.append((name, stream, tapped))

    def remove(self):
        """Put the streams back, where nobody has put others since."""
        for name, stream, tapped in self._streams:
            _output.replace(name, tapped, stream)
        self._streams.clear()


class _Tapped:
    def __init__(self, name, stream, sink):
        self._name = name
        self._stream = stream
        self._sink = sink

    def write(self, text):
        count = self._stream.write(text)
        self._sink(self._name, text)
        return count

    def writelines(self, lines):
        for line in lines:
            self.write(line)

    def __getattr__(self, name):
        return getattr(self._stream, name)

    def __iter__(self):
        return iter(self._stream)

    def __enter__(self):
        return self._stream.__enter__()

    def __exit__(self, *error):
        return self._stream.__exit__(*error)
