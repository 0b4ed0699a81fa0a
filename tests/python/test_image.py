"""`keelback.Image` from a Python program: sandboxes that begin with imports."""

import asyncio
import os
import sys
import tempfile
import threading
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "python"))

import keelback

MODULES = {
    "tiny/__init__.py": "import os\nprint('imported')\nstate = {'n': 0}\ntoken = os.urandom(8)\n",
    "tiny/part.py": "rows = list(range(1000))\n",
    "tiny/late.py": "answer = 42\n",
    "broken.py": "import nothing_of_that_name\n",
    "endless.py": "while True: pass\n",
}


class WithImports(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        for name, text in MODULES.items():
            path = Path(cls.folder.name, "site", name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        cls.site = Path(cls.folder.name, "site")
        cls.image = keelback.Image.with_imports(["tiny.part", "sqlite3"], packages=[cls.site])

    def test_a_sandbox_begins_with_the_modules(self):
        self.assertEqual(self.image.imports, ["tiny.part", "sqlite3"])
        self.assertEqual(repr(self.image), "<keelback.Image with imports of tiny.part, sqlite3>")
        with keelback.Sandbox(image=self.image) as box:
            self.assertEqual(box.variables(), [])
            result = box.run("import sys\n'tiny.part' in sys.modules, 'tiny.late' in sys.modules")
            self.assertEqual((result.value, result.stdout), ((True, False), ""))
            self.assertEqual(box.run("import tiny.part, tiny.late\nlen(tiny.part.rows), tiny.late.answer").value, (1000, 42))
            self.assertEqual(box.run("open(tiny.__file__, 'w')").error.type, "PermissionError")
        with keelback.Sandbox() as box:
            self.assertEqual(box.run("import tiny").error.type, "ModuleNotFoundError")

    def test_sandboxes_share_nothing_they_change(self):
        for _ in range(3):
            with keelback.Sandbox(image=self.image) as box:
                self.assertEqual(box.run("import tiny; tiny.state['n'] += 1; tiny.state").value, {"n": 1})
        values = []
        for _ in range(3):
            with keelback.Sandbox(image=self.image) as box:
                values.append(box.run("import random, os, tiny\nrandom.random(), os.urandom(8)").value)
        self.assertEqual(len(set(values)), 3)

    def test_states_of_a_sandbox(self):
        with keelback.Sandbox(image=self.image) as box:
            box.run("import tiny; tiny.state['n'] = 5")
            point = box.checkpoint()
            with box.fork() as fork:
                self.assertEqual(fork.run("tiny.state").value, {"n": 5})
            box.run("tiny.state.clear()")
            box.rollback(point)
            self.assertEqual(box.run("tiny.state").value, {"n": 5})

    def test_a_saved_sandbox_wants_its_image(self):
        saved, kept = Path(self.folder.name, "box.kbs"), Path(self.folder.name, "image.kbi")
        with keelback.Sandbox(image=self.image) as box:
            box.run("import tiny; tiny.state['n'] = 5")
            box.save(saved)
        with self.assertRaisesRegex(keelback.SandboxError, r"imports of `tiny.part`, `sqlite3`\), and is .* the plain image"):
            keelback.load(saved)
        self.image.save(kept)
        again = keelback.Image.load(kept, packages=[self.site])
        self.assertEqual(again.imports, self.image.imports)
        with keelback.load(saved, image=again) as box:
            self.assertEqual(box.run("import tiny.late; tiny.state['n'] + tiny.late.answer").value, 47)
        with self.assertRaisesRegex(keelback.SandboxError, "saved with 1 paths of packages, and 0 are given"):
            keelback.Image.load(kept)

    def test_what_cannot_be_imported_is_named(self):
        make = keelback.Image.with_imports
        with self.assertRaisesRegex(keelback.SandboxError, "importing `broken` failed: .*'nothing_of_that_name'"):
            make(["json", "broken"], packages=[self.site])
        with self.assertRaisesRegex(keelback.SandboxError, "importing `endless` failed: TimeoutError.* 200 ms"):
            make(["endless"], packages=[self.site], limits=keelback.Limits(time=0.2))
        with self.assertRaisesRegex(TypeError, "not one text"):
            make("json")
        with self.assertRaisesRegex(TypeError, "not one path"):
            make(["json"], packages=str(self.site))
        with self.assertRaisesRegex(TypeError, "with_imports or Image.load"):
            keelback.Image(None)
        with self.assertRaises(keelback.PermissionDenied):
            make(["json"], packages=[self.site / "missing"])

    def test_pools_and_event_loops(self):
        cell = "import sys; 'tiny' in sys.modules"
        with keelback.Pool(2, image=self.image) as pool:
            self.assertIs(pool.run(cell).value, True)
            self.assertIs(asyncio.run(pool.arun(cell)).value, True)

        async def main():
            async with keelback.Sandbox(image=self.image) as box:
                return (await box.arun(cell)).value

        self.assertIs(asyncio.run(main()), True)

    def test_threads_and_the_end_of_the_image(self):
        image = keelback.Image.with_imports(["tiny"], packages=[self.site])
        found = []

        def work(image):
            for _ in range(5):
                with keelback.Sandbox(image=image) as box:
                    found.append(box.run("import tiny; tiny.state['n'] += 1; tiny.state['n']").value)

        threads = [threading.Thread(target=work, args=(image,)) for _ in range(4)]
        box = keelback.Sandbox(image=image)
        for thread in threads:
            thread.start()
        del image
        for thread in threads:
            thread.join()
        self.assertEqual(found, [1] * 20)
        with box:
            self.assertEqual(box.fork().run("import tiny; tiny.state").value, {"n": 0})

    @unittest.skipUnless(hasattr(os, "fork"), "needs fork")
    def test_a_child_of_fork_uses_the_image(self):
        with keelback.Sandbox(image=self.image) as box:
            box.run("1")
        sys.stdout.flush()
        child = os.fork()
        if child == 0:
            try:
                with keelback.Sandbox(image=self.image) as box:
                    os._exit(0 if box.run("import tiny; tiny.state").value == {"n": 0} else 1)
            finally:
                os._exit(2)
        self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), 0)


if __name__ == "__main__":
    unittest.main()
