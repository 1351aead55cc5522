"""What is measured without a server: loading, memory, saving, lists, single changes. Each part adds rows to a suite."""

from __future__ import annotations

from collections.abc import Sequence

from bench.suite import Suite, Worker, amount


def load(suite: Suite) -> None:
    """Loading, each time in a new process, and what memory that takes."""
    seconds: dict[str, float] = {}
    memory: dict[str, float] = {}
    for size in suite.sizes:
        suite.tell(f"load at {size:g}")
        path = suite.copy(size)
        loaded: dict[str, list[dict[str, float]]] = {"cocoannot": [], "pycocotools": [], "dicts": [], "file": []}
        for number in range(suite.repeats):
            for contender, answers in loaded.items():
                if number < suite.repeats_of(contender, size):
                    worker = Worker(contender, size, path)
                    worker.close()
                    answers.append(worker.loaded)
        for contender, answers in loaded.items():
            seconds[contender] = suite.note("load", contender, [each["seconds"] for each in answers], size=size)
            if size == suite.scale and contender != "file":
                for part, what in (("resident", "memory after load"), ("peak", "peak memory during load")):
                    memory[f"{contender} {part}"] = suite.note(what, contender, [each[part] for each in answers], "B")
    # The last size is the one that counts.
    ratio = suite.ratio(*([each["seconds"] for each in loaded[name]] for name in ("pycocotools", "cocoannot")))
    beside = f"`COCO(path)` {amount(seconds['pycocotools'], 's')}"
    suite.judge(
        "load, all checks and the hash included", amount(seconds["cocoannot"], "s"), beside, ratio, "≥ 8", ratio >= 8
    )
    for part, figure, most in (("resident", "memory after load", 1.6), ("peak", "peak memory during load", 2.2)):
        _judge_memory(suite, figure, memory[f"cocoannot {part}"], most)


def save(suite: Suite) -> None:
    """Saving while nothing else happens, beside a copy of the file, turn by turn."""
    middle: dict[str, float] = {}
    peaks: list[float] = []
    for size in suite.sizes:
        suite.tell(f"save at {size:g}")
        # By itself, and seldom where it takes most of a minute.
        dumps = [
            suite.worker("dicts", size).call("save", 1)["seconds"] for _ in range(suite.repeats if size < 0.3 else 1)
        ]
        seconds: dict[str, list[float]] = {"cocoannot": [], "file": []}
        for number in range(-2, suite.repeats):
            suite.worker("cocoannot", size).call("add a polygon", 1)
            for contender, samples in seconds.items():
                answer = suite.worker(contender, size).call("save", 1)
                if contender == "cocoannot" and size == suite.scale:
                    peaks.append(answer["peak"])
                # Not the first turns: the memory that their files need is new to the machine.
                if number >= 0:
                    samples.append(answer["seconds"])
        seconds["dicts"] = dumps
        names = {"file": "cp + fsync", "dicts": "dicts, json.dump"}
        for contender, samples in seconds.items():
            middle[contender] = suite.note("save", names.get(contender, contender), samples, size=size)
    # The last size is the one that counts.
    ratio = suite.ratio(seconds["cocoannot"], seconds["file"])
    beside = f"`cp` + fsync {amount(middle['file'], 's')}"
    suite.judge("save, idle, the hash included", amount(middle["cocoannot"], "s"), beside, ratio, "≤ 1.5", ratio <= 1.5)
    _judge_memory(
        suite, "peak memory during a save", suite.note("peak memory during a save", "cocoannot", peaks, "B"), 1.8
    )


def change(suite: Suite) -> None:
    """One change, returned when it is in memory, with and without the journal's write."""
    contenders = ("without journal", "cocoannot", "dicts")
    for operation in ("add a box", "add a polygon"):
        middle = _at_every_size(suite, operation, contenders)
        _judge_call(suite, f"one change in the manager, without the journal's write: {operation}", middle, 30e-6)
    _at_every_size(suite, "change an annotation", contenders[:2])


def image(suite: Suite) -> None:
    """The annotations of an image, of a thousand images in turn."""
    operation = "annotations of an image"
    middle = _at_every_size(suite, operation, ("cocoannot", "pycocotools", "dicts"))
    _judge_call(suite, f"{operation} in the manager", middle, 10e-6)


def pages(suite: Suite) -> None:
    """The first page of images, by three questions."""
    for operation, most in (
        ("first page of images", 1e-3),
        ("first page of the largest category", 10e-3),
        ("first page by file name", 50e-3),
    ):
        suite.tell(operation)
        contenders = ["cocoannot", "dicts"] if "name" in operation else ["cocoannot", "pycocotools", "dicts"]
        middle = _calls(suite, operation, [(contender, suite.scale) for contender in contenders])
        ours, other = middle["cocoannot", suite.scale], middle["dicts", suite.scale]
        suite.judge(
            operation,
            amount(ours, "s"),
            f"dicts {amount(other, 's')}",
            other / ours,
            f"≤ {amount(most, 's')}",
            ours <= most,
        )


def _at_every_size(suite: Suite, operation: str, contenders: Sequence[str]) -> dict[tuple[str, float], float]:
    suite.tell(operation)
    return _calls(suite, operation, [(contender, size) for size in suite.sizes for contender in contenders])


def _calls(suite: Suite, operation: str, contenders: Sequence[tuple[str, float]]) -> dict[tuple[str, float], float]:
    """Median seconds of one call, of each contender, turn by turn."""
    samples: dict[tuple[str, float], list[float]] = {key: [] for key in contenders}
    # More turns than for longer ones: what else the machine does is as long as one of these.
    for _ in range(3 * suite.repeats):
        suite.take_pace()
        for key, seconds in samples.items():
            seconds.append(suite.worker(*key).call(operation)["seconds"])
    return {key: suite.note(operation, key[0], seconds, size=key[1]) for key, seconds in samples.items()}


def _judge_call(suite: Suite, figure: str, middle: dict[tuple[str, float], float], most: float) -> None:
    smallest, *_, largest = suite.sizes
    contender = next(iter(middle))[0]
    ours = middle[contender, largest]
    rival = next(key for key in reversed(middle) if key[1] == largest)
    ratio = middle[rival] / ours
    suite.judge(
        figure,
        amount(ours, "s"),
        f"{rival[0]} {amount(middle[rival], 's')}",
        ratio,
        f"≤ {amount(most, 's')}",
        ours <= most,
    )
    small = middle[contender, smallest]
    ratio = ours / small
    suite.judge(
        f"{figure}, growth",
        amount(ours, "s"),
        f"at 1/100 of the size {amount(small, 's')}",
        ratio,
        "≤ 1.5",
        ratio <= 1.5,
    )


def _judge_memory(suite: Suite, figure: str, used: float, most: float) -> None:
    size = suite.dataset(suite.scale).stat().st_size
    ratio = used / size
    suite.judge(figure, amount(used, "B"), f"the file {amount(size, 'B')}", ratio, f"≤ {most}", ratio <= most)
