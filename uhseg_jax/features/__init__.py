"""Features of one's own: those that no backbone of this package gave.

They stand where a backbone would (`FeatureSource`), so nothing is loaded for them.
`pca_colors` shows any features as colours.
"""

from uhseg_jax.features.checks import at_unit_length, at_unit_scale, checked_features
from uhseg_jax.features.colors import pca_colors
from uhseg_jax.features.folder import FeatureFolder
from uhseg_jax.features.sources import FeaturesOfOne, FeatureSource

__all__ = [
    "FeatureFolder",
    "FeatureSource",
    "FeaturesOfOne",
    "at_unit_length",
    "at_unit_scale",
    "checked_features",
    "pca_colors",
]
