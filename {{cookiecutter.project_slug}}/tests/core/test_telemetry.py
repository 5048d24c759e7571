import re

from app.core import telemetry


def test_each_name_stands_for_one_attribute() -> None:
    names = [value for name, value in vars(telemetry).items() if name.isupper()]

    assert len(set(names)) == len(names) > 10
    for name in names:
        assert re.fullmatch(r"[a-z]+(?:[._][a-z]+)*", name), name
