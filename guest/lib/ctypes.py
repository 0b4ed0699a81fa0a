"""The sizes of C's types, for programs that ask `ctypes` for no more than that. Native code cannot be called."""

import errno as _errno
import struct as _struct


class _SimpleCData:
    _type_ = ""

    def __init__(self, value=None):
        self.value = value

    def __repr__(self):
        return f"{type(self).__name__}({self.value!r})"


def _simple(name, code):
    return type(name, (_SimpleCData,), {"_type_": code, "__module__": "ctypes", "__qualname__": name})


c_bool, c_char, c_byte, c_ubyte = _simple("c_bool", "?"), _simple("c_char", "c"), _simple("c_byte", "b"), _simple("c_ubyte", "B")
c_short, c_ushort, c_int, c_uint = _simple("c_short", "h"), _simple("c_ushort", "H"), _simple("c_int", "i"), _simple("c_uint", "I")
c_long, c_ulong = _simple("c_long", "l"), _simple("c_ulong", "L")
c_longlong, c_ulonglong = _simple("c_longlong", "q"), _simple("c_ulonglong", "Q")
c_float, c_double = _simple("c_float", "f"), _simple("c_double", "d")
c_void_p, c_size_t, c_ssize_t = _simple("c_void_p", "P"), _simple("c_size_t", "N"), _simple("c_ssize_t", "n")
c_int8, c_uint8, c_int16, c_uint16 = c_byte, c_ubyte, c_short, c_ushort
c_int32, c_uint32, c_int64, c_uint64 = c_int, c_uint, c_longlong, c_ulonglong


def sizeof(kind):
    """The size of a C type in bytes."""
    code = getattr(kind, "_type_", None)
    if not isinstance(code, str) or not code:
        raise TypeError("this type has no size")
    return _struct.calcsize(code)


alignment = sizeof


def _refused(name):
    def refused(*args, **kwargs):
        raise OSError(_errno.ENOSYS, f"ctypes.{name} is not available in the sandbox")

    refused.__name__ = refused.__qualname__ = name
    return refused


CDLL, PyDLL = _refused("CDLL"), _refused("PyDLL")


class LibraryLoader:
    def __getattr__(self, name):
        raise OSError(_errno.ENOSYS, "ctypes cannot load libraries: it is not available in the sandbox")

    LoadLibrary = __getitem__ = __getattr__


cdll = pydll = LibraryLoader()


def __getattr__(name):
    raise AttributeError(f"module 'ctypes' has no attribute {name!r}: it is not available in the sandbox")
