import pytest

from app.core.http.api_paths import PREFIX, ROOT, in_api


@pytest.mark.parametrize(
    ("path", "inside"),
    [
        (f"{PREFIX}/nowhere", True),
        (f"{ROOT}/docs", True),
        ("/", False),
        (f"{ROOT}docs", False),
        ("/health/live", False),
    ],
)
def test_a_path_is_in_the_api_by_its_beginning(path: str, inside: bool) -> None:  # noqa: FBT001
    assert in_api(path) is inside
