"""nginx's templates and their values. `tests/system/test_nginx.py` runs nginx with them."""

from pathlib import Path

import pytest

from runtime.local.nginx import LIMITS, TEMPLATES, VARIABLE, Nginx, filled
from runtime.settings import SettingsError

SHARED = {
    *("SG_MODE", "SG_GATEWAY", "SG_PGADMIN", "SG_PGADMIN_ADDRESS", "SG_SERVER_NAMES", "SG_BASE_URL"),
    *("SG_HSTS", "SG_ACCESS_LOG", "SG_REAL_IP_FROM"),
}
OF_MODE = {
    "development": {"SG_LISTEN", "SG_PGADMIN_LISTEN"},
    "production": {"SG_HTTP_LISTEN", "SG_HTTPS_LISTEN", "SG_ACME_ROOT", "SG_CERTIFICATES", "SG_PORT_SUFFIX"},
}
FILES = sorted(TEMPLATES.rglob("*.template"))


def test_the_templates_have_these_variables_and_no_other() -> None:
    found = {name for template in FILES for name in VARIABLE.findall(template.read_text())}
    assert found == {*LIMITS, *SHARED, *OF_MODE["development"], *OF_MODE["production"]}


def test_no_other_text_looks_like_a_variable_of_a_template() -> None:
    """The official image would put any variable of its environment in place of `${NAME}`."""
    for template in FILES:
        text = VARIABLE.sub("", template.read_text())
        assert "${" not in text, template.name


@pytest.mark.parametrize("mode", OF_MODE)
@pytest.mark.parametrize("pgadmin", ["on", "off"])
def test_a_mode_needs_its_own_variables_alone(tmp_path: Path, mode: str, pgadmin: str) -> None:
    values = dict.fromkeys(SHARED | OF_MODE[mode], "x") | {"SG_MODE": mode, "SG_PGADMIN": pgadmin}
    Nginx(tmp_path, values, log_path=tmp_path / "log").write()
    written = {path.name: path.read_text() for path in (tmp_path / "conf.d").iterdir()}
    assert f"servers-{mode}.inc" in written
    assert f"pgadmin-{pgadmin}.inc" in written
    for text in written.values():
        assert "SG_" not in text.replace("SG_REAL_IP_FROM is", "")
        assert "/tmp/nginx" not in text.replace(str(tmp_path), "")


@pytest.mark.parametrize("value", ["a;b", "a{", 'a"b', "a\nb", "$host", "a'b", "a\\b"])
def test_a_value_that_is_more_than_a_word_is_refused(tmp_path: Path, value: str) -> None:
    template = tmp_path / "x.template"
    template.write_text("server_name ${SG_SERVER_NAMES};")
    assert filled(template, {"SG_SERVER_NAMES": "a.example b.example"}) == "server_name a.example b.example;"
    with pytest.raises(SettingsError, match="SG_SERVER_NAMES"):
        filled(template, {"SG_SERVER_NAMES": value})
    with pytest.raises(SettingsError, match="is not set"):
        filled(template, {})
