from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict

import yaml


@dataclass
class Config:
    data: Dict[str, Any]
    model: Dict[str, Any]
    output: Dict[str, Any]

    @classmethod
    def load(cls, path: str) -> "Config":
        return cls(**yaml.safe_load(Path(path).read_text()))
