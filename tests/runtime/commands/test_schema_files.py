from pathlib import Path

from runtime.commands.schema_files import differences, rewrite

TEXTS = {"functions/a.sql": "CREATE FUNCTION a;\n", "views/b.sql": "CREATE VIEW b;\n"}


def test_a_missing_file_one_too_many_and_another_text_are_each_named_with_the_recipe(tmp_path: Path) -> None:
    (tmp_path / "views").mkdir()
    (tmp_path / "views" / "b.sql").write_text("CREATE VIEW b AS;\n")
    (tmp_path / "views" / "gone.sql").write_text("CREATE VIEW gone;\n")
    assert list(differences(tmp_path, TEXTS).values()) == [
        "functions/a.sql is missing; run `just schema`",
        "views/b.sql differs from the definition in a migrated database; run `just schema`",
        "views/gone.sql defines what a migrated database does not have; run `just schema`",
    ]


def test_files_that_are_rewritten_are_the_texts_and_no_others(tmp_path: Path) -> None:
    (tmp_path / "views").mkdir()
    (tmp_path / "views" / "gone.sql").write_text("CREATE VIEW gone;\n")
    assert rewrite(tmp_path, TEXTS) == ["functions/a.sql", "views/b.sql", "views/gone.sql"]
    assert differences(tmp_path, TEXTS) == {}
    assert not (tmp_path / "views" / "gone.sql").exists()
    assert rewrite(tmp_path, TEXTS) == []
