from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_every_campaign_is_described():
    described = (ROOT / "docs" / "numbers" / "campaigns.md").read_text()
    campaigns = [
        path.stem
        for path in (ROOT / "tests" / "campaigns").glob("*.py")
        if '__name__ == "__main__"' in path.read_text()
    ]
    assert len(campaigns) >= 7
    for name in campaigns:
        assert f"python -m tests.campaigns.{name} " in described
        assert f"\n| {name} |" in described.replace("at once", "at_once")
