"""`python scripts/lowest_versions.py`: the lowest version that pyproject.toml admits of every requirement, a pin each.

For `scripts/test --lowest`: of what jaxeval itself and its tests require; what those require in turn is left to pip. It
runs before anything is installed, on the standard library alone.
"""

import re
import tomllib
from pathlib import Path


def lowest_pins(requirements: list[str]) -> list[str]:
    """`name==version` of each requirement that names a lowest version; an exact one stays as it is.

    Raises:
      ValueError: a requirement has no lowest version, so that none is tested.
    """
    pins = []
    for requirement in requirements:
        found = re.match(r"([A-Za-z0-9_.-]+)(?:\[[^\]]*\])?\s*(?:>=|==)\s*([0-9][^,;\s]*)", requirement)
        if found is None:
            raise ValueError(
                f"{requirement!r} in pyproject.toml names no lowest version; write one, as in {requirement}>=1.0"
            )
        pins.append(f"{found[1]}=={found[2]}")
    return pins


def main() -> None:
    """Prints the pins."""
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
    print("\n".join(lowest_pins([*project["dependencies"], *project["optional-dependencies"]["test"]])))


if __name__ == "__main__":
    main()
