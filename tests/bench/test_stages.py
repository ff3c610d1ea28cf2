import inspect

from tests.bench.stages import STAGES


def test_each_stage_is_a_function_of_the_code() -> None:
    for stage in STAGES:
        found = inspect.getattr_static(stage.owner, stage.attribute)
        assert inspect.isfunction(getattr(found, "__func__", found)), stage
