"""The engine of a sync: each list is read once, and every stream made of the list gets its rows and checkpoints."""

from source_amocrm.engine.delivery import Checkpoint
from source_amocrm.engine.fan_out import End, Selected, Sync, read_alone

__all__ = ["Checkpoint", "End", "Selected", "Sync", "read_alone"]
