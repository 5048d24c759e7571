import pytest

from app.pages import start
from conftest import MakeApp


@pytest.mark.parametrize("served", [True, False])
def test_the_start_page_links_to_the_documentation_if_it_is_served(
    make_app: MakeApp, *, served: bool
) -> None:
    app = make_app(api_docs_enabled=served)

    with app.test_request_context("/"):
        page = start.index().get_data(as_text=True)

    assert page.count("<h1>") == 1
    assert ('href="/api/docs"' in page) is served
