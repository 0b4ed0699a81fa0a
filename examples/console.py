"""A job that stops where something looks wrong, so that somebody can look, mend it and go on.

    python examples/console.py

In a terminal the console is the full prompt; with input from a pipe it reads lines. Cells see the names of `settle`.
"""

import keelback


def settle(orders):
    total = 0
    for number in orders:
        if orders[number] < 0:
            keelback.interact(f"Order {number} costs {orders[number]}. Set orders[number]; Ctrl-D goes on.", exitmsg="")
        total += orders[number]
    return total


if __name__ == "__main__":
    print("total:", settle({1: 20, 2: -5, 3: 7}))
