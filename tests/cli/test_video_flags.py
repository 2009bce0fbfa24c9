"""What `uhseg-segment --video` takes and refuses."""

import pytest

from uhseg_jax.cli.overrides import UsageError
from uhseg_jax.cli.segment_flags import parse
from uhseg_jax.cli.video_flags import clip_options_of, formats_of, mode_of
from uhseg_jax.runs.clip_modes import Streaming, Whole


def parsed(*arguments):
    return parse(["uhseg-segment", *arguments])


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["clip.mp4", "--streaming"], "--streaming goes with --video"),
        (["clip.mp4", "--video", "--window=4"], "--window goes with --streaming"),
        (["clip.mp4", "--video", "--volume"], "--video does not go with --volume"),
        (["a.nii", "--volume", "--streaming"], "--streaming goes with --video"),
        (["clip.mp4", "--video", "--levels=4"], "--levels does not go with --video"),
        (["clip.mp4", "--video", "--shard=1/2"], "--shard does not go with --video"),
        (["--video"], "--video expects paths"),
        (["clip.mp4", "--video", "--format=davi"], "Did you mean 'davis'"),
        (["clip.mp4", "--video", "--format=coco"], "npz,davis,ytvis,mp4,html of clips"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments, sentence):
    with pytest.raises(UsageError) as refusal:
        parsed(*arguments)
    assert sentence in str(refusal.value)


def test_the_number_of_regions_is_shown_or_found():
    values = parsed("clip.mp4", "--video", "--max_regions=100")
    assert mode_of(values) == Whole()
    assert clip_options_of(values).num_regions == 100
    assert clip_options_of(values).page_regions == 100
    assert mode_of(parsed("scan.nii", "--volume")) == Whole(is_volume=True)
    values = parsed("clip.mp4", "--video", "--streaming", "--max_regions=5")
    assert mode_of(values) == Streaming(num_regions=5, window=8)
    assert clip_options_of(values).num_regions is None


def test_a_film_is_left_out_where_its_package_is_missing(monkeypatch):
    values = parsed("frames", "--video")
    monkeypatch.setattr("uhseg_jax.cli.video_flags.is_installed", lambda name: False)
    formats, (note,) = formats_of(values)
    assert formats == ["npz", "davis", "ytvis", "html"]
    assert "pip install 'uhseg_jax[video]'" in note
    chosen, notes = formats_of(parsed("frames", "--video", "--format=mp4"))
    assert (chosen, notes) == (["mp4"], [])
