"""Latency of `recnn serve`: 100 requests of one client, and of 8 clients at once.

    recnn serve --port 8000 &
    python benchmarks/serve_load.py http://127.0.0.1:8000

The requests are sentences of 11 words for two models. The first request is not counted.
"""

import argparse
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import islice, product
from statistics import median
from time import perf_counter

import httpx

_NOUNS = ["film", "story", "plot", "script", "cast", "music", "ending", "crowd"]
_ADJECTIVES = ["dull", "good", "funny", "bad", "weak"]
_REQUESTS = 100


def sentences() -> list[str]:
    """Return different sentences."""
    made = (
        f"the {one} is not very {how}, but the {other} is superb."
        for one, how, other in product(_NOUNS, _ADJECTIVES, _NOUNS)
    )
    return list(islice(made, _REQUESTS))


def measured(address: str, parser: str, clients: int) -> str:
    """Send all requests, each client one after the other, and describe the times."""
    some = [httpx.Client(base_url=address, timeout=60) for _ in range(clients)]

    def ask(number: int, sentence: str) -> tuple[float, int]:
        start = perf_counter()
        response = some[number % clients].post("/api/analyse", json={"sentence": sentence, "parser": parser})
        return perf_counter() - start, response.status_code

    ask(0, sentences()[0])
    start = perf_counter()
    with ThreadPoolExecutor(clients) as threads:
        found = list(threads.map(ask, range(_REQUESTS), sentences()))
    total = perf_counter() - start
    times = sorted(1000 * seconds for seconds, _ in found)
    status = dict(Counter(status for _, status in found))
    return (
        f"{parser:8} {clients} clients: median {median(times):.0f} ms, 95th percentile {times[94]:.0f} ms, largest "
        f"{times[-1]:.0f} ms; {_REQUESTS / total:.0f} a second; by status {status}"
    )


def main() -> None:
    """Print a line for each parser and number of clients."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("address")
    address = arguments.parse_args().address
    for parser in ("english", "right"):
        for clients in (1, 8):
            print(measured(address, parser, clients))


if __name__ == "__main__":
    main()
