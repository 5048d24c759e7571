from pathlib import Path

import pytest
from pydantic import TypeAdapter, ValidationError

from app.core.config.tls import CAFile
from tests.tls_server import certify


def test_certificates_are_read_at_start(tmp_path: Path) -> None:
    certificate, key = certify(tmp_path, "localhost")
    setting: TypeAdapter[Path | None] = TypeAdapter(CAFile)

    assert setting.validate_python(str(certificate)) == certificate
    assert setting.validate_python(None) is None
    for wrong in (key, tmp_path / "missing", tmp_path):
        with pytest.raises(ValidationError, match="must be a readable file of certificates"):
            setting.validate_python(wrong)
