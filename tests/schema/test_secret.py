import pickle

from schema.secret import Secret


def test_a_secret_shows_itself_to_nobody_who_does_not_ask() -> None:
    secret = Secret("sk-very-private")
    assert "private" not in f"{secret} {secret!r} {[secret]}"
    assert secret.reveal() == "sk-very-private"


def test_a_secret_reaches_a_worker_process() -> None:
    assert pickle.loads(pickle.dumps(Secret("a"))) == Secret("a")
