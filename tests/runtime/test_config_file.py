"""Reading `config.yaml` from disk: includes, and files that are no config."""

from pathlib import Path

import pytest

from runtime.config_file import MAX_BYTES, MAX_FILES, ConfigFileError, load_document, merge


def write(folder: Path, **files: str) -> Path:
    """Files by name without their ending; gives the path of the first."""
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text)
    return folder / f"{next(iter(files))}.yaml"


def test_an_empty_file_is_an_empty_config(tmp_path: Path) -> None:
    assert load_document(write(tmp_path, main="# nothing\n")) == {}


def test_includes_join_lists_and_overwrite_the_rest(tmp_path: Path) -> None:
    main = write(
        tmp_path,
        main="include: [more.yaml, last.yaml]\nmodel_list: [a]\nlitellm_settings: {x: 1}\n",
        more="model_list: [b]\nlitellm_settings: {y: 2}\n",
        last="model_list: [c]\n",
    )
    assert load_document(main) == {"model_list": ["a", "b", "c"], "litellm_settings": {"y": 2}}


def test_includes_are_relative_to_the_file_that_names_them(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    main = write(tmp_path, main="include: [sub/one.yaml]\n")
    write(tmp_path / "sub", one="include: [two.yaml]\nmodel_list: [a]\n", two="model_list: [b]\n")
    assert load_document(main) == {"model_list": ["a", "b"]}


def test_one_file_may_be_included_twice_but_never_by_itself(tmp_path: Path) -> None:
    main = write(tmp_path, main="include: [a.yaml, a.yaml]\n", a="model_list: [x]\n")
    assert load_document(main) == {"model_list": ["x", "x"]}
    loop = write(tmp_path, loop="include: [back.yaml]\n", back="include: [loop.yaml]\n")
    with pytest.raises(ConfigFileError, match=r"loop\.yaml: includes itself, by way of .*back\.yaml"):
        load_document(loop)


def test_a_chain_of_includes_is_bounded(tmp_path: Path) -> None:
    for number in range(MAX_FILES + 1):
        (tmp_path / f"{number}.yaml").write_text(f"include: [{number + 1}.yaml]\n")
    with pytest.raises(ConfigFileError, match="more than"):
        load_document(tmp_path / "0.yaml")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("- a\n- b\n", "expected a mapping"),
        ("just text", "expected a mapping"),
        ("a: [1\n", "expected ',' or ']'"),
        ("a: 1\na: 2\n", "'a' stands twice"),
        ("model_list:\n  - {model_name: a, model_name: b}\n", "'model_name' stands twice"),
        ("include: {a: 1}\n", "include: expected a list"),
        ("include: [1]\n", "include: expected a list"),
        ("include: [gone.yaml]\n", r"gone\.yaml: No such file"),
        ("a: !!python/object/apply:os.system ['true']\n", "could not determine a constructor"),
        ("a: \x01\n", "special characters"),
        ("[" * 5000, "recursion"),
        ("a: 1\nb: " + "9" * 5000 + "\n", "number out of range, line 2, column 4"),
        ("a: 0x" + "f" * 5000 + "\n", "number out of range"),
        ('include: ["a\\0b"]\n', "include: expected a list"),
    ],
)
def test_a_file_that_is_no_config_is_refused_by_its_path(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(ConfigFileError, match=says) as caught:
        load_document(write(tmp_path, main=text))
    assert str(tmp_path) in str(caught.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('model_list:\n  api_key: "s3cret" x\n', "expected <block end>.*, line 2, column 21"),
        ("api_key: s3cret: x\n", "mapping values are not allowed here, line 1, column 16"),
        ("api_key: *s3cret\n", "found undefined alias, line 1, column 10"),
        ("api_key: !s3cret\n", "could not determine a constructor for the tag, line 1, column 10"),
        ("api_key: !s3cret!x y\n", "found undefined tag handle, line 1"),
        ('api_key: "s3cret\n', "found unexpected end of stream, line 2, column 1"),
        ("api_key: s3cret\x02\n", "special characters are not allowed, position"),
    ],
)
def test_what_is_wrong_is_told_without_the_text(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(ConfigFileError, match=says) as caught:
        load_document(write(tmp_path, main=text))
    assert "s3cret" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "gone.yaml", tmp_path):
        with pytest.raises(ConfigFileError, match=str(path)):
            load_document(path)


def test_a_file_over_the_limit_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "big.yaml"
    with path.open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(ConfigFileError, match="larger than"):
        load_document(path)


def test_yaml_merge_keys_are_no_duplicates(tmp_path: Path) -> None:
    text = "base: &base {rpm: 1}\nother: &other {tpm: 2}\nboth:\n  <<: [*base, *other]\n  rpm: 3\n"
    assert load_document(write(tmp_path, main=text))["both"] == {"rpm": 3, "tpm": 2}


def test_merging_changes_neither_document() -> None:
    base, other = {"model_list": ["a"]}, {"model_list": ["b"]}
    assert merge(base, other) == {"model_list": ["a", "b"]}
    assert (base, other) == ({"model_list": ["a"]}, {"model_list": ["b"]})


@pytest.mark.parametrize("text", ["2024-10-21", "2026-13-45", "2024-06-01 12:00:00", "2024-06-01T12:00:00Z"])
def test_a_date_stays_the_text_that_stands_there(tmp_path: Path, text: str) -> None:
    assert load_document(write(tmp_path, main=f"api_version: {text}\n")) == {"api_version": text}
