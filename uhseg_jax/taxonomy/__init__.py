"""Label hierarchies: which raw ids are which classes, and which classes hold which."""

from uhseg_jax.taxonomy.lines import NO_ID, NO_PARENT, Case, TaxonomyError
from uhseg_jax.taxonomy.taxonomy import IGNORED, ClassTree, FlatClasses, Taxonomy

__all__ = [
    "IGNORED",
    "NO_ID",
    "NO_PARENT",
    "Case",
    "ClassTree",
    "FlatClasses",
    "Taxonomy",
    "TaxonomyError",
]
