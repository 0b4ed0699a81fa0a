"""`Image`: imports that sandboxes begin with."""

import os

from ._native import Image as _Native


class Image:
    """Modules imported once, with which any number of sandboxes begin: `Sandbox(image=image)`, `Pool(8, image=image)`.

        image = keelback.Image.with_imports(["networkx"], packages=["site"])
        keelback.Sandbox(image=image).run("import networkx")  # takes no time

    The modules are in ``sys.modules`` of the sandbox, not in its namespace. Their *packages* are granted to every sandbox
    of the image, read-only, before its own. Randomness, clock, arguments and environment are each sandbox's own; what a
    module computed when it was imported is the same in all. An image cannot be changed; threads may share it.
    """

    __slots__ = ("_image",)

    def __init__(self, image):
        if not isinstance(image, _Native):
            raise TypeError("an image is made by Image.with_imports or Image.load")
        self._image = image

    @classmethod
    def with_imports(cls, modules, *, packages=(), limits=None):
        """Import *modules*, by their dotted names, in a sandbox with *packages* and *limits*, and keep what comes of it.

        What they print is dropped, as are files they make in /work and /tmp. Raises `SandboxError` naming the module that
        cannot be imported, and why.
        """
        if isinstance(modules, str):
            raise TypeError(f"modules is a list of names, not one text: [{modules!r}]")
        options = _packages(packages)
        if limits is not None:
            options["limits"] = dict(limits._given)
        return cls(_Native.with_imports(list(modules), options))

    @classmethod
    def load(cls, path, *, packages=()):
        """The image saved at *path*, for sandboxes saved with it; *packages* as it was made with."""
        return cls(_Native.load(os.fspath(path), _packages(packages)))

    def save(self, path):
        """Write the image to a file, for `Image.load` in another process. The packages are not in it."""
        self._image.save(os.fspath(path))

    @property
    def imports(self):
        """The names of the modules."""
        return list(self._image.imports)

    def __repr__(self):
        return f"<keelback.Image with imports of {', '.join(self.imports)}>"


def _packages(packages):
    if isinstance(packages, (str, os.PathLike)):
        raise TypeError(f"packages is a list of paths, not one path: packages=[{os.fspath(packages)!r}]")
    return {"packages": [os.fspath(path) for path in packages]}
