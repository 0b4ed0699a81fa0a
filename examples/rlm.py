"""dspy.RLM over a keelback sandbox, with a scripted language model: no network, no key.

    pip install dspy
    python examples/rlm.py

The model is asked which month sold most. It looks at the data, asks a sub-model through `llm_query`, makes a mistake,
reads its traceback, and submits an answer of the right type.
"""

import calendar
import textwrap

import dspy
import keelback.dspy

SALES = "\n".join(f"2026-{1 + day // 30 % 12:02},{(day * 7919) % 500}" for day in range(360))

ACTIONS = [
    ("Look at the data first.", "rows = [line.split(',') for line in sales.splitlines()]\nprint(len(rows))\nrows[:2]"),
    ("Add up the months.", "totals = {}\nfor month, amount in rows:\n    totals[month] += int(amount)"),
    (
        "A KeyError in line 3: the dict has no months yet. Use a Counter.",
        "from collections import Counter\ntotals = Counter()\nfor month, amount in rows:\n"
        "    totals[month] += int(amount)\nbest, amount = totals.most_common(1)[0]\nprint(best, amount)",
    ),
    (
        "Have the number named, and submit.",
        "name = llm_query(f'Name of month {best}?')\nSUBMIT(month=name, total=amount)",
    ),
]


class ScriptedLM(dspy.BaseLM):
    """A language model that says what it was told to, and shows what it was asked."""

    def __init__(self):
        super().__init__(model="scripted")
        self.actions = iter(ACTIONS)

    def __call__(self, prompt=None, messages=None, **kwargs):
        if prompt is not None:  # llm_query
            print(f"sub-model is asked: {prompt}")
            return [calendar.month_name[int(prompt.rstrip("?").rsplit("-")[-1])]]
        asked = messages[-1]["content"]
        seen = asked.rsplit("Output (", 1)[-1] if "Output (" in asked else ""
        if seen:
            print(textwrap.indent(seen.split("[[ ##")[0].partition(":\n")[2].strip(), "    "))
        reasoning, code = next(self.actions)
        print(f"model: {reasoning}")
        fields = {"reasoning": reasoning, "code": f"```python\n{code}\n```"}
        text = "\n\n".join(f"[[ ## {name} ## ]]\n{value}" for name, value in fields.items())
        return [text + "\n\n[[ ## completed ## ]]"]


def main(interpreter_factory=keelback.dspy.PythonInterpreter):
    """Run it; another *interpreter_factory* of dspy gives the same answer."""
    dspy.configure(lm=ScriptedLM(), interpreter_factory=interpreter_factory)
    rlm = dspy.RLM("sales -> month: str, total: int", max_iters=6)
    result = rlm(sales=SALES)
    print(f"answer: {result.month}, {result.total}, after {len(result.trajectory)} steps")
    return result


if __name__ == "__main__":
    main()
