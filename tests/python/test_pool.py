"""`keelback.Pool`: ready sandboxes, each for one user."""

import asyncio
import sys
import threading
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "python"))

import keelback
from keelback import Pool, SandboxError

# How many sessions are alive at once on a small machine.
MANY = 1000


class PoolTest(unittest.TestCase):
    def test_each_sandbox_is_new(self):
        with Pool(1) as pool:
            with pool.sandbox() as box:
                box.set(kept=1)
                first = box
            with pool.sandbox() as box:
                self.assertIsNot(box, first)
                self.assertEqual(box.run("kept").error.type, "NameError")

    def test_run_gives_a_result(self):
        with Pool(2, tools=[abs]) as pool:
            self.assertEqual(pool.run("abs(-3)").value, 3)
            self.assertEqual(pool.run("1 / 0").error.type, "ZeroDivisionError")
            self.assertEqual(pool.in_use, 0)

    def test_options_reach_every_sandbox(self):
        with Pool(1, env={"A": "b"}) as pool:
            for _ in range(3):
                self.assertEqual(pool.run("import os; os.environ['A']").value, "b")

    def test_a_grant_that_cannot_be_given_is_told_at_once(self):
        with self.assertRaises(keelback.PermissionDenied):
            Pool(1, read=["/nowhere/at/all"])

    def test_waiting_ends_with_the_limit(self):
        with Pool(1) as pool, pool.sandbox():
            with self.assertRaisesRegex(SandboxError, r"all 1 sandboxes of the pool \(size=1\) were in use for 0.01 s"):
                with pool.sandbox(timeout=0.01):
                    pass
            with self.assertRaisesRegex(SandboxError, "size=1"):
                pool.run("1", timeout=0)

    def test_who_gave_up_is_passed_over(self):
        with Pool(1) as pool:
            with pool.sandbox():
                with self.assertRaises(SandboxError):
                    pool.run("1", timeout=0)
            self.assertEqual(pool.run("2", timeout=0).value, 2)

    def test_a_place_goes_to_who_waits(self):
        with Pool(1) as pool:
            values = []
            with pool.sandbox():
                waiting = threading.Thread(target=lambda: values.append(pool.run("5").value))
                waiting.start()
            waiting.join()
            self.assertEqual(values, [5])

    def test_a_body_that_raises_gives_its_place_back(self):
        with Pool(1) as pool:
            with self.assertRaises(KeyError):
                with pool.sandbox():
                    raise KeyError
            self.assertEqual(pool.run("1", timeout=0).value, 1)

    def test_a_sandbox_closed_by_its_user_gives_its_place_back(self):
        with Pool(1) as pool:
            with pool.sandbox() as box:
                box.close()
            self.assertEqual(pool.run("1", timeout=0).value, 1)

    def test_never_more_than_size_and_all_are_served(self):
        with Pool(3) as pool:
            most, values, lock = 0, [], threading.Lock()

            def serve(number):
                nonlocal most
                with pool.sandbox() as box:
                    with lock:
                        most = max(most, pool.in_use)
                    value = box.run(f"{number} * 2").value
                with lock:
                    values.append(value)

            threads = [threading.Thread(target=serve, args=(n,)) for n in range(40)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            self.assertLessEqual(most, 3)
            self.assertEqual(sorted(values), [n * 2 for n in range(40)])
            self.assertEqual(pool.in_use, 0)

    def test_closing(self):
        pool = Pool(1)
        with pool.sandbox() as box:
            errors = []

            def wait():
                try:
                    pool.run("1")
                except SandboxError as error:
                    errors.append(str(error))

            waiting = threading.Thread(target=wait)
            waiting.start()
            while not pool._waiters and waiting.is_alive():
                pass
            pool.close()
            pool.close()
            waiting.join()
            self.assertEqual(errors, ["the pool is closed"])
            # Who has one keeps it.
            self.assertEqual(box.run("1 + 1").value, 2)
        with self.assertRaises(keelback.SessionLost):
            box.run("1")
        with self.assertRaisesRegex(SandboxError, "the pool is closed"):
            pool.run("1")

    def test_sizes(self):
        for size in (0, -1, 1.5, None):
            with self.assertRaises(SandboxError):
                Pool(size)

    def test_a_thousand_sessions_at_once(self):
        with Pool(MANY) as pool:
            leases = [pool.sandbox() for _ in range(MANY)]
            boxes = [lease.__enter__() for lease in leases]
            try:
                for number, box in enumerate(boxes):
                    box.run(f"mine = {number}")
                self.assertEqual([box.run("mine").value for box in boxes], list(range(MANY)))
                self.assertEqual(pool.in_use, MANY)
            finally:
                for lease in leases:
                    lease.__exit__(None, None, None)
            self.assertEqual(pool.in_use, 0)


class AsyncPoolTest(unittest.IsolatedAsyncioTestCase):
    async def test_arun_side_by_side(self):
        async with Pool(4) as pool:
            results = await asyncio.gather(*(pool.arun(f"{n} + 1") for n in range(30)))
            self.assertEqual([result.value for result in results], list(range(1, 31)))
            self.assertEqual(pool.in_use, 0)

    async def test_waiting_ends_with_the_limit(self):
        async with Pool(1, timeout=0.01) as pool:
            async with pool.sandbox() as box:
                with self.assertRaisesRegex(SandboxError, "were in use for 0.01 s"):
                    await pool.arun("1")
                self.assertEqual((await box.arun("2")).value, 2)
            self.assertEqual((await pool.arun("3")).value, 3)

    async def test_a_cancelled_waiter_is_passed_over(self):
        async with Pool(1) as pool:
            async with pool.sandbox():
                task = asyncio.create_task(pool.arun("1"))
                while not pool._waiters:
                    await asyncio.sleep(0)
                task.cancel()
                with self.assertRaises(asyncio.CancelledError):
                    await task
            self.assertEqual(pool.in_use, 0)
            self.assertEqual((await pool.arun("4", timeout=0)).value, 4)

    async def test_a_cancelled_cell_gives_its_place_back(self):
        entered = asyncio.Event()
        loop = asyncio.get_running_loop()

        def begun():
            loop.call_soon_threadsafe(entered.set)

        async with Pool(1, tools=[begun]) as pool:
            task = asyncio.create_task(pool.arun("begun()\nwhile True: pass"))
            await entered.wait()
            task.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await task
            self.assertEqual((await pool.arun("5")).value, 5)

    async def test_a_thousand_cells_at_once(self):
        async with Pool(MANY) as pool:
            results = await asyncio.gather(*(pool.arun(f"x = {n}\nx") for n in range(MANY)))
            self.assertEqual([result.value for result in results], list(range(MANY)))


if __name__ == "__main__":
    unittest.main()
