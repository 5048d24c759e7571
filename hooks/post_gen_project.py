"""Remove what was not chosen from the new service and say how to start it."""

import json
import shlex
import shutil
import tomllib
from pathlib import Path

Answers = dict[str, str | bool]
MANIFEST = "manifest.toml"  # comes with the tree and says what exists only with which answers


def paths_by_key(project: Path) -> dict[str, list[str]]:
    """Read the manifest: what exists only with the answers that a key names, if it exists at all."""
    manifest = tomllib.loads((project / MANIFEST).read_text())
    return {
        key: [
            place.format(name=name, domain=Path(name).parent, module=Path(name).name)
            for name in names
            for place in manifest["places"]
        ]
        for key, names in manifest["only-with"].items()
    }


def chosen(answers: Answers, key: str) -> bool:
    """Tell whether what a key of the manifest names was answered."""
    for word, reduce in ((" or ", any), (" and ", all)):
        if word in key:
            return reduce(chosen(answers, each) for each in key.split(word))
    name, _, value = key.partition("=")
    return answers[name] == value if value else answers[name] not in (False, "none")


def prune(project: Path, answers: Answers) -> None:
    """Remove what is not wanted, the folders which that leaves empty, and the manifest."""
    found = paths_by_key(project)
    left_out = [path for key in found if not chosen(answers, key) for path in found[key]]
    for path in (project / each for each in [*left_out, MANIFEST]):
        if path.is_dir():
            shutil.rmtree(path)
        path.unlink(missing_ok=True)
        while (path := path.parent) != project and path.is_dir() and not any(path.iterdir()):
            path.rmdir()


if __name__ == "__main__":
    answers = json.loads(r"""{{ cookiecutter | jsonify }}""")
    prune(Path.cwd(), answers)
    if "_output_dir" in answers:  # not under cruft, whose updates generate in temporary folders
        folder = shlex.quote(str(Path.cwd()))
        print(f"\nThe service is ready. Next:\n    cd {folder}\n    make test\n    make run\n")
