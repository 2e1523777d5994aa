"""What the benchmarks say of a series of measurements."""

import os
import platform
import statistics
from collections.abc import Sequence


def summary_ms(seconds: Sequence[float]) -> dict[str, float]:
    """Median, 95th percentile and extremes, in milliseconds."""
    ordered = sorted(seconds)
    p95 = ordered[min(len(ordered) - 1, round(0.95 * (len(ordered) - 1)))]
    return {
        "n": len(ordered),
        "p50_ms": round(statistics.median(ordered) * 1000, 1),
        "p95_ms": round(p95 * 1000, 1),
        "min_ms": round(ordered[0] * 1000, 1),
        "max_ms": round(ordered[-1] * 1000, 1),
    }


def machine() -> dict[str, object]:
    """What the figures were taken on, and how busy that was: what is shared gives upper bounds."""
    return {
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "load_average": [round(load, 2) for load in os.getloadavg()],
    }
