"""What XLA is told about a network, beside what it is told about a platform (`compilation.py`)."""

from collections.abc import Mapping

from qdfool.build.target import Target
from qdfool.classifiers.architecture import Architecture
from qdfool.compilation import taken

LIBRARY = "xla_cpu_experimental_ynn_fusion_type"
"""Which operations of a program for a CPU XLA hands to a library, YNNPACK. None of them where it is empty."""


def options_of_network(architecture: Architecture, target: Target) -> Mapping[str, str]:
    """The options of XLA for a network, where this version of XLA takes them; docs/networks.md has what they bring."""
    if target.platform != "cpu" or architecture.depthwise:
        return {}
    return {LIBRARY: ""} if taken(LIBRARY, "") else {}
