"""Where the operator's own wording lies; apart from the renderer, because settings are read by every command."""

from pathlib import Path
from typing import ClassVar

import msgspec

__all__ = ["TemplateSettings"]


class TemplateSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`templates_dir` is a folder with files that take the place of built-in ones, or None."""

    templates_dir: str | None = None

    ENV: ClassVar[dict[str, str]] = {"templates_dir": "SLOTWATCH_TEMPLATES_DIR"}

    @property
    def folder(self) -> Path | None:
        """The folder."""
        return None if self.templates_dir is None else Path(self.templates_dir).expanduser()
