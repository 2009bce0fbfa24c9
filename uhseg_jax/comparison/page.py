"""The page of a comparison: one file of HTML, without scripts, that opens from disk."""

import importlib.resources
from collections.abc import Iterator, Sequence

from uhseg_jax.comparison.groups import Group
from uhseg_jax.comparison.page_images import images
from uhseg_jax.comparison.page_parts import escaped, plot, run_chip
from uhseg_jax.comparison.page_scores import (
    all_scores,
    main_scores,
    settings_table,
    verdicts,
)
from uhseg_jax.comparison.plots import budget_panels, recall_panels
from uhseg_jax.comparison.verdicts import headlines
from uhseg_jax.runs.bootstrap import NUM_RESAMPLES

__all__ = ["page"]

_FOOTER = f"""<footer class="quiet">
<p>Standard errors and intervals come from {NUM_RESAMPLES:,} resamples of the images
(bootstrap): as many images as there are, drawn with replacement, the same draws for
all runs. A difference is resampled as a difference, so what makes an image hard for
all runs cancels. Its 95 % interval reaches from the 2.5th to the 97.5th percentile;
where zero lies outside, the difference is called more than chance.</p>
<p>Each score is judged by itself: of twenty that do not differ, one is expected to
seem to. The intervals say what other images of this kind would give, not what another
seed or another dataset would.</p>
<p>Where every class takes its best region of a tree (mIoU, and NMCovering without
a number behind it), finer trees score higher: see how many regions trees have.</p>
<p>Bands around curves are one standard error wide on either side. The same numbers
are in table.csv, table.md and table.tex beside this page.</p>
</footer>"""


def page(groups: Sequence[Group]) -> str:
    """All of it.

    Raises:
      ValueError: a drawing of an evaluation is damaged.
    """
    labels = list(dict.fromkeys(x.label for group in groups for x in group.members))
    title = f"{' and '.join(x.first.dataset for x in groups)}: {' / '.join(labels)}"
    sections = "\n".join(_section(group, labels) for group in groups)
    body = f"<h1>{escaped(title)}</h1>\n<main>\n{sections}\n</main>\n{_FOOTER}"
    template = importlib.resources.files(__package__) / "page.html"
    head, rest = template.read_text("utf-8").split("{{title}}")
    middle, tail = rest.split("{{body}}")
    return f"{head}{escaped(title)}{middle}{body}{tail}"


def _section(group: Group, labels: Sequence[str]) -> str:
    return (
        f'<section class="dataset"><h2>{escaped(group.title)}</h2>\n'
        f"{chr(10).join(_parts(group, labels))}\n</section>"
    )


def _parts(group: Group, labels: Sequence[str]) -> Iterator[str]:
    rows = headlines(group)
    if group.others:
        yield verdicts(group, rows, labels)
    yield "<h3>Main scores</h3>"
    yield main_scores(group, rows, labels)
    budgets, recalls = budget_panels(group, labels), recall_panels(group, labels)
    for heading, panels in (
        ("Scores by budget", budgets),
        ("Precision and recall", recalls),
    ):
        if panels:
            chips = "".join(
                f"<li>{run_chip(x.label, labels)}</li>" for x in group.members
            )
            yield f"<h3>{heading}</h3>"
            yield f'<ul class="legend">{chips}</ul>'
            yield f'<div class="plots">{"".join(map(plot, panels))}</div>'
    yield images(group, labels)
    yield all_scores(group, labels)
    yield settings_table(group, labels)
