import json

import pytest
from small_runs import CONFIG, PRESET, photographs_with_masks

import uhseg_jax
from uhseg_jax.cli.evaluate import main


def test_the_command_scores_a_folder(tmp_path, capsys):
    folder = photographs_with_masks(tmp_path, 2)

    def scored(*flags):
        argv = [f"--images={folder / 'images'}", f"--masks={folder / 'masks'}"]
        argv += [*PRESET, "--min_area=0.001", f"--output={folder / 'out'}", *flags]
        assert main(["uhseg-evaluate", *argv]) == 0, capsys.readouterr().err
        texts = ((folder / "out" / x).read_text() for x in ("metrics.json", "run.json"))
        return map(json.loads, texts)

    metrics, settings = scored()
    assert metrics["images"] == 2
    assert f'"images": {metrics["images"]}' in capsys.readouterr().out
    assert (settings["kind"], settings["version"]) == (
        "evaluate",
        uhseg_jax.__version__,
    )
    assert settings["config"]["num_superpixels"] == CONFIG.num_superpixels
    assert settings["refinement"]["min_area"] == 0.001
    with open(folder / "out" / "images-0.jsonl", "ab") as journal:
        journal.write(b"\xff\n")
    assert next(scored()) == metrics
    assert "images-0.jsonl: 1 line is damaged" in capsys.readouterr().err
    metrics, settings = scored(
        *("--protocol=hungarian", "--crop=30", "--num_regions=2"),
        *("--background=rest", "--overwrite"),
    )
    assert 0 < metrics["full/hungarian_miou"] <= 1
    assert 1 <= metrics["mean_leaves"] <= 2
    scoring = settings["scoring"]
    assert (scoring["crop"], scoring["background"]) == (30, "rest")


def test_the_command_scores_objects_by_their_own_protocol(tmp_path, capsys):
    folder = photographs_with_masks(tmp_path, 2)
    document = {
        "images": [
            {"id": i, "file_name": f"{i:02}.png", "height": 30, "width": 40}
            for i in range(2)
        ],
        "annotations": [
            {"id": 1, "image_id": 0, "segmentation": [[0, 0, 20, 0, 20, 15, 0, 15]]}
        ],
        "categories": [],
    }
    path = folder / "objects.json"

    def scored(*flags):
        path.write_text(json.dumps(document))
        argv = [f"--images={folder / 'images'}", f"--annotations={path}", *PRESET]
        argv += ["--min_area=0.001", f"--output={folder / 'out'}", *flags]
        return main(["uhseg-evaluate", *argv])

    assert scored() == 0, capsys.readouterr().err
    metrics = json.loads((folder / "out" / "metrics.json").read_text())
    assert 0 <= metrics["full/ar_1"] <= metrics["full/ar_1000"] <= 1
    assert metrics["images"] == 2
    settings = json.loads((folder / "out" / "run.json").read_text())
    assert settings["scoring"]["protocol"] == "instances"
    document["annotations"][0]["segmentation"] = [[0, 0, 20, 15]]
    assert scored("--overwrite") == 1
    assert "annotation 1: expected polygons of at least" in capsys.readouterr().err
    document["annotations"][0]["segmentation"] = [[0, 0, 20, 15, 0, 15]]
    assert scored() == 1  # other objects, in the folder of scores for the first
    assert scored("--overwrite", "--protocol=best_region") == 0
    metrics = json.loads((folder / "out" / "metrics.json").read_text())
    assert 0 < metrics["full/miou"] <= 1


@pytest.mark.parametrize(
    ("argv", "status", "words"),
    [
        ([], 2, "--config, or --images and --masks together, or --images and --annot"),
        (["--annotations=a.json"], 2, "or --images and --annotations"),
        (["--images=nowhere", "--annotations=a.json"], 1, "nowhere: expected a folder"),
        (["--images=.", "--annotations=a.json"], 1, "a.json: expected a JSON file"),
        (
            ["--images=a", "--annotations=b", "--masks=c"],
            *(2, "--annotations does not go with --masks or --taxonomy"),
        ),
        (["--config=x.py", "--annotations=a.json"], 2, "not go with --annotations"),
        (["--images=nowhere", "--masks=nowhere"], 1, "nowhere"),
        (["--colour=red"], 2, "colour"),
        (["--config=nowhere.py"], 1, "nowhere.py: expected a config file"),
        (["--config=x.py", "--model=dinov2_test"], 2, "--model; say --config.model="),
        (["--config=x.py", "--preset=paper"], 2, "--preset; say --config.preset="),
        (["--config=x.py", "--crop=9"], 2, "--crop; say --config.crop=VALUE"),
        (["--images=a", "--masks=b", "--crop=0"], 2, "crop=0"),
        (["--images=a", "--masks=b", "--protocol=greedy"], 2, "best_region|instances"),
        (["--images=a", "--masks=b", "--num_regions=3"], 2, "'hungarian'"),
        (["--images=a", "--masks=b", "--background=rest"], 2, "'hungarian'"),
        (["--config=x.py", "--images=a", "--masks=b"], 2, "with --images, --masks"),
        (["--config=x.py", "--taxonomy=t"], 2, "not go with --taxonomy"),
        (["--images=a", "--masks=b", "--data_dir=c"], 2, "not go with --data_dir"),
        (["--images=a", "--masks=b", "--config.model=c"], 2, "needs --config=FILE"),
        (["--images=a", "--masks=b", "--output="], 2, "--output expects a folder"),
        (["photos", "--config=x.py"], 2, "expected flags only, but got photos"),
    ],
)
def test_command_lines_that_make_no_sense(argv, status, words, capsys):
    assert main(["uhseg-evaluate", *argv]) == status
    assert words in capsys.readouterr().err


def test_processes_that_do_not_meet_are_a_sentence(monkeypatch, capsys):
    def initialize(*args):
        raise RuntimeError("no coordinator")

    monkeypatch.setattr("jax.distributed.initialize", initialize)
    argv = ["uhseg-evaluate", "--distributed", "--images=a", "--masks=b"]
    assert main(argv) == 1
    assert "cannot start together (no coordinator)" in capsys.readouterr().err
