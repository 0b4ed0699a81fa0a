"""`_pretty.pretty`, on Python 3.10 and later."""

import ast
import collections
import dataclasses
import importlib.util
import random
import types
import unittest
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2] / "python" / "keelback" / "_pretty.py"
_spec = importlib.util.spec_from_file_location("_keelback_pretty", SOURCE)
module = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(module)
pretty, shown = module.pretty, module.shown

Point = collections.namedtuple("Point", "x y")


@dataclasses.dataclass
class Account:
    name: str
    tags: list
    secret: str = dataclasses.field(default="s", repr=False)


class OwnRepr(dict):
    def __repr__(self):
        return "mine " * 40


class Fails:
    def __repr__(self):
        raise ValueError("no repr")


def some_value(chance, depth=0):
    kind = chance.randrange(4 if depth > 3 else 11)
    items = [some_value(chance, depth + 1) for _ in range(chance.randrange(6))] if kind > 3 else []
    if kind == 0:
        return chance.randrange(-5, 10**6)
    if kind == 1:
        return "".join(chance.choice("ab'\"\n é樂\\") for _ in range(chance.randrange(40)))
    if kind == 2:
        return chance.choice([None, True, 2.5, 1j, b"x\0y"])
    if kind == 3:
        return list(range(chance.randrange(60)))
    if kind == 4:
        return tuple(items)
    if kind == 5:
        return {chance.randrange(99): item for item in items}
    if kind == 6:
        return {(chance.randrange(9), "k" * chance.randrange(30)): item for item in items}
    if kind == 7:
        return set(range(chance.randrange(40)))
    return items


class Pretty(unittest.TestCase):
    def check(self, value, width, text, max_lines=100):
        self.assertEqual(pretty(value, width, max_lines), (text, False))

    def test_what_fits_is_the_repr(self):
        for value in (
            1, "a", [1], (1,), (), {}, set(), frozenset({1}), {"a": [1]}, Point(1, 2), Account("n", []), None,
            collections.deque([1], 3), collections.deque(), collections.Counter("aab"), collections.Counter(),
            collections.OrderedDict(a=1), collections.OrderedDict(), collections.defaultdict(int, a=1),
            types.SimpleNamespace(a=1), types.SimpleNamespace(), OwnRepr, range(3), b"b", [[[]]], {1: {2: {3}}},
            [Account("n", [Point(1, (2,))])], {frozenset(): ()}, [collections.Counter(), {}], Ellipsis, print,
        ):  # fmt: skip
            with self.subTest(repr(value)):
                self.check(value, 1000, repr(value))
                self.assertEqual(shown(value, 1000), (repr(value), None, False))
                # As an item of what does not fit.
                text, truncated = pretty([value, "x" * 1000], 300)
                self.assertEqual((text.split("\n")[1], truncated), (f"    {value!r},", False))

    def test_layouts(self):
        self.check(
            {"name": "Ada Lovelace", "tags": ["a", "b"], "n": {"deep": list(range(30))}},
            40,
            "{\n    'name': 'Ada Lovelace',\n    'tags': ['a', 'b'],\n    'n': {\n        'deep': [\n"
            "            0, 1, 2, 3, 4, 5, 6, 7, 8,\n            9, 10, 11, 12, 13, 14, 15,\n"
            "            16, 17, 18, 19, 20, 21, 22,\n            23, 24, 25, 26, 27, 28, 29\n        ]\n    }\n}",
        )
        self.check(Account("Ada Lovelace", ["x" * 9] * 2), 30,
                   "Account(\n    name='Ada Lovelace',\n    tags=[\n        'xxxxxxxxx',\n        'xxxxxxxxx'\n    ]\n)")  # fmt: skip
        self.check(Point("x" * 12, "y" * 12), 30, "Point(\n    x='xxxxxxxxxxxx',\n    y='yyyyyyyyyyyy'\n)")
        self.check(("x" * 30,), 30, f"(\n    '{'x' * 30}',)".replace(",)", "\n,)"))
        self.check(collections.deque(["x" * 20] * 2, 2), 30,
                   f"deque([\n    '{'x' * 20}',\n    '{'x' * 20}'\n], maxlen=2)")  # fmt: skip
        self.check(collections.defaultdict(list, a="x" * 30), 30,
                   f"defaultdict(<class 'list'>, {{\n    'a': '{'x' * 30}'\n}})")  # fmt: skip
        self.check(collections.Counter({"a" * 20: 1, "b" * 20: 2}), 30,
                   f"Counter({{\n    '{'b' * 20}': 2,\n    '{'a' * 20}': 1\n}})")  # fmt: skip
        self.check(frozenset({"x" * 30}), 30, f"frozenset({{\n    '{'x' * 30}'\n}})")

    def test_text_means_the_same_at_every_width(self):
        chance = random.Random(1)
        for number in range(400):
            value = some_value(chance)
            with self.subTest(number):
                self.assertEqual(pretty(value, 1_000_000, None), (repr(value), False))
                width = chance.randrange(20, 120)
                text, truncated = pretty(value, width, None)
                self.assertFalse(truncated)
                self.assertEqual(ast.literal_eval(text) if text != "set()" else set(), value)
                for line in text.split("\n"):
                    # A line is wider only for something that cannot be divided.
                    if len(line) > width:
                        self.assertNotRegex(line.strip(), r"^\d+, \d+")
                if len(repr(value)) <= width:
                    self.assertEqual(text, repr(value))

    def test_cycles(self):
        value = ["x" * 30, "y" * 30]
        value.append(value)
        self.check(value, 40, f"[\n    '{'x' * 30}',\n    '{'y' * 30}',\n    [...]\n]")
        other = {"x" * 30: 1}
        other["self"] = other
        self.check(other, 30, f"{{\n    '{'x' * 30}': 1,\n    'self': {{...}}\n}}")
        self.check(value[2:], 1000, repr(value[2:]))

    def test_deep_values(self):
        value = []
        for _ in range(100):
            value = [value]
        text, _ = pretty(value, 40, None)
        self.assertEqual("".join(text.split()), repr(value))
        for _ in range(100_000):
            value = [value]
        self.assertTrue(pretty(value, 40)[1])  # where repr fails

    def test_values_with_a_repr_of_their_own(self):
        self.check(OwnRepr(a=1), 40, "mine " * 40)
        self.check([OwnRepr()], 40, f"[\n    {'mine ' * 40}\n]")
        with self.assertRaises(ValueError):
            pretty([Fails(), "x" * 99], 40)

        @dataclasses.dataclass(repr=False)
        class Plain:
            a: int

            def __repr__(self):
                return "plain " * 30

        class Sub(Account):
            pass

        self.check(Plain(1), 40, "plain " * 30)
        self.check(Sub("x" * 30, []), 40, repr(Sub("x" * 30, [])))

    def test_huge_values_are_cut_short(self):
        for value, size in (
            (list(range(10**6)), "1,000,000 items"),
            ({n: str(n) for n in range(10**5)}, "100,000 items"),
            (["x" * 10**7] * 1000, "1,000 items"),
            ([[0] * 1000] * 1000, "1,000 items"),
            (collections.deque(["x"] * 10**5), "100,000 items"),
        ):
            with self.subTest(size):
                text, truncated = pretty(value, 80, 20)
                self.assertTrue(truncated)
                self.assertTrue(text.endswith(f"\n... shortened: {size} in all"), text[-60:])
                rows = sum(max(1, -(-len(line) // 80)) for line in text.split("\n"))
                self.assertLessEqual(rows, 21)

    def test_long_strings_are_cut_only_when_lines_run_out(self):
        value = {"body": "x" * 500, "other": b"y" * 500}
        self.assertEqual(pretty(value, 80, 100)[1], False)
        self.assertIn("x" * 500, pretty(value, 80, 100)[0])
        text, truncated = pretty(value, 80, 10)
        self.assertTrue(truncated)
        self.assertIn(f"'body': '{'x' * 40}' ... 420 characters ... '{'x' * 40}'", text)
        self.assertIn("... 420 bytes ...", text)
        self.assertTrue(text.endswith("\n}\n... shortened: long strings"))

    def rows(self, text, width):
        return sum(max(1, -(-len(line) // width)) for line in text.split("\n"))

    def test_long_strings_lose_their_middle(self):
        value = "".join(map(str, range(60_000)))
        for value, unit in ((value, "characters"), (value.encode(), "bytes"), (bytearray(value.encode()), "bytes")):
            for width in (20, 80, 500):
                with self.subTest(type(value), width=width):
                    text, truncated = pretty(value, width)
                    self.assertTrue(truncated)
                    self.assertLessEqual(self.rows(text, width), 100)
                    self.assertLess(len(text), 20_050)
                    self.assertGreater(len(text), min(90 * width, 18_000))
                    first, middle, last = text.split("\n")
                    first, last = eval(first), eval(last)
                    self.assertTrue(value.startswith(first) and value.endswith(last))
                    self.assertEqual(middle, f"... {len(value) - len(first) - len(last):,} {unit} ...")
                    self.assertEqual(shown(value, width), ("", text, True))
        self.assertEqual(pretty(value, 80, None), (repr(value), False))
        for value in ("x" * 7998, b"x" * 7997, "\n" * 3999):
            self.assertEqual(shown(value, 80), (repr(value), None, False))
            self.assertTrue(shown(value + value[:1], 80)[2])

    def test_of_strings_no_more_is_made_than_is_shown(self):
        made = []
        module.repr = lambda value: made.append(len(value)) or repr(value)
        try:
            pretty("\u200b" * 10**7, 80)
        finally:
            del module.repr
        self.assertLess(sum(made), 50_000)

    def test_long_reprs_lose_their_middle(self):
        class Own:
            def __init__(self, text):
                self.text = text

            def __repr__(self):
                return self.text

        lines = [f"line {number}" for number in range(10_000)]
        text, truncated = pretty(Own("\n".join(lines)), 80)
        self.assertTrue(truncated)
        self.assertEqual(text.split("\n"), [*lines[:49], "... 9,902 lines ...", *lines[-49:]])
        self.check(Own("\n".join(lines[:100])), 80, "\n".join(lines[:100]))
        text, truncated = pretty(Own("x" * 300_000), 80)
        self.assertEqual((text.split("\n"), truncated), (["x" * 3920, "... 292,160 characters ...", "x" * 3920], True))
        text, _ = pretty(Own("head\n" + "x" * 300_000 + "\n\ntail"), 80)
        self.assertRegex(text, r"^head\nx{3840}\n\.\.\. 292,400 characters \.\.\.\nx{3760}\n\ntail$")
        # In a container what is around it is seen.
        text, truncated = pretty([1, Own("x" * 300_000), "end"], 80)
        self.assertTrue(truncated)
        self.assertEqual(text, f"[\n    1,\n    {'x' * 40} ... 299,920 characters ... {'x' * 40},\n    'end'\n]\n... shortened: long strings")
        chance = random.Random(2)
        for number in range(300):
            whole = "\n".join("x" * chance.choice((0, 3, 50, 700, 9000)) for _ in range(chance.randrange(200)))
            width, most = chance.randrange(40, 300), chance.choice((5, 20, 100))
            with self.subTest(number):
                text, truncated = pretty(Own(whole), width, most)
                self.assertLessEqual(self.rows(text, width), most)
                self.assertLess(len(text), 20_050)
                if truncated:
                    first, last = text.split("\n... ")[0], text.split(" ...\n")[1]
                    self.assertTrue(whole.startswith(first) and whole.endswith(last))
                else:
                    self.assertEqual(text, whole)

    def test_long_numbers_lose_their_middle(self):
        text, truncated = pretty(10**4000, 20)
        self.assertTrue(truncated)
        self.assertRegex(text, r"^10{979}\n\.\.\. 2,041 characters \.\.\.\n0{980}$")
        self.check(10**4000, 80, str(10**4000))

    def test_lines_of_wide_windows_are_bounded_by_characters(self):
        text, truncated = pretty(["x" * 700] * 90, 1000)
        self.assertTrue(truncated)
        self.assertLess(len(text), 20_050)

    def test_subclasses(self):
        class Names(list):
            def __iter__(self):
                raise AssertionError

            def __len__(self):
                raise AssertionError

        self.check(Names(["x" * 20] * 2), 1000, repr(["x" * 20] * 2))


if __name__ == "__main__":
    unittest.main()
