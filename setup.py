"""The one step of a build that ``pyproject.toml`` cannot say; the rest is there."""

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildPy(build_py):
    """In the wheel, ``walras.py`` is ``walras/__init__.py``: type checkers look for no packages below a module."""

    def run(self) -> None:
        """Build, and say that the package is typed."""
        super().run()
        if not self.editable_mode:
            self.copy_file("core/py.typed", str(Path(self.build_lib, "walras", "py.typed")))

    def get_module_outfile(self, build_dir: str, package: list[str], module: str) -> str:
        """Return where a module goes."""
        if module == "walras" and not any(package) and not self.editable_mode:
            return super().get_module_outfile(build_dir, ["walras"], "__init__")
        return super().get_module_outfile(build_dir, package, module)


setup(cmdclass={"build_py": BuildPy})
