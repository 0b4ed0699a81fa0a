from collections.abc import Iterable
from os import PathLike

from typing_extensions import Self

from ._native import Image as _Native
from ._sandbox import Limits

_Path = str | PathLike[str]

class Image:
    __slots__ = ("_image",)
    def __init__(self, image: _Native) -> None: ...
    @classmethod
    def with_imports(cls, modules: Iterable[str], *, packages: Iterable[_Path] = (), limits: Limits | None = None) -> Self: ...
    @classmethod
    def load(cls, path: _Path, *, packages: Iterable[_Path] = ()) -> Self: ...
    def save(self, path: _Path) -> None: ...
    @property
    def imports(self) -> list[str]: ...
