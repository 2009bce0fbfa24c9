"""What a graph of many patches costs: time and memory of `tree_of_graph`.

    python benchmarks/graph_cost.py --output=cost.png

Every size is measured in a process of its own, with a compiled program: the drawn scene
has regions of all sizes with some noise, as features have them. The curve that is
fitted is ``seconds = a n^b`` over the largest sizes, where merging dominates.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from uhseg_jax import methods
from uhseg_jax.pipeline import tree_of_graph
from uhseg_jax.superpixels import RegionGraph
from uhseg_jax.types import Float

SIZES = (1_000, 5_000, 10_000, 20_000, 40_000, 70_000, 100_000)
CHANNELS, PIECES, NOISE = 384, 300, 0.5
FITTED = 10_000  # patches from which on the exponent is fitted
WARM = 2_200  # patches from which on all sizes go through one program


def scene(size: int, seed: int = 0) -> Float[np.ndarray, "h w d"]:
    """Unit vectors of a square grid: cells of random points, each with a direction."""
    from scipy.spatial import cKDTree

    rng = np.random.default_rng(seed)
    side = round(size**0.5)
    # Most points lie near one corner, so that cells are of all sizes.
    points = side * rng.uniform(size=(PIECES, 2)) ** 2
    places = np.stack(np.mgrid[:side, :side], axis=-1).reshape(-1, 2)
    cells = cKDTree(points).query(places)[1]
    vectors = rng.normal(size=(PIECES, CHANNELS)).astype(np.float32)[cells]
    vectors += NOISE * rng.standard_normal(vectors.shape, np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors.reshape(side, side, CHANNELS)


def measure(size: int) -> dict[str, float]:
    """Seconds and memory of one size, in this process."""
    method = methods.METHODS["region_merging"]
    config = method.preset()
    warm = RegionGraph.of_patches(scene(min(size, WARM), 1))
    tree_of_graph(warm, method, config)  # compiles what the size needs
    graph = RegionGraph.of_patches(scene(size))
    begun = time.perf_counter()
    tree_of_graph(graph, method, config)
    return {
        "patches": len(graph),
        "seconds": time.perf_counter() - begun,
        "gigabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9,
    }


def exponent_of(rows: list[dict[str, float]]) -> float:
    """The slope of log time over log patches, of the largest sizes."""
    large = [x for x in rows if x["patches"] >= FITTED * 0.9]
    logs = np.log([[x["patches"], x["seconds"]] for x in large])
    return float(np.polyfit(logs[:, 0], logs[:, 1], 1)[0])


def plot(rows: list[dict[str, float]], path: Path) -> None:
    """Time and memory over patches, both axes logarithmic."""
    import matplotlib.pyplot as plt

    patches = [x["patches"] for x in rows]
    figure, panels = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
    for panel, name in zip(panels, ("seconds", "gigabytes"), strict=True):
        panel.loglog(patches, [x[name] for x in rows], "o-", color="#00796b")
        panel.set_xlabel("patches")
        panel.set_ylabel(name)
        panel.grid(alpha=0.3)
    figure.savefig(path, dpi=110)


def main() -> None:
    """Prints a row for every size, and draws them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, help="a PNG file for the plot")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--one", type=int, help="measure this size alone, as JSON")
    values = parser.parse_args()
    if values.one:
        print(json.dumps(measure(values.one)))
        return
    rows = []
    print("patches  seconds  peak GB")
    for size in values.sizes:
        command = [sys.executable, __file__, f"--one={size}"]
        found = subprocess.run(command, check=True, capture_output=True, text=True)
        rows.append(json.loads(found.stdout.splitlines()[-1]))
        row = rows[-1]
        print(f"{row['patches']:7}  {row['seconds']:7.2f}  {row['gigabytes']:7.2f}")
    if len(rows) > 1:
        print(f"exponent from {FITTED:,} patches on: {exponent_of(rows):.2f}")
    if values.output:
        plot(rows, values.output)


if __name__ == "__main__":
    main()
