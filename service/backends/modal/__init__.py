"""Everything kept and done on Modal: jobs in a Dict, files on a Volume, work in containers.

The makers of pieces are in `service.backends.modal.pieces`: they need `film`, which the web hasn't.
"""

from service.backends.modal.artifacts import VolumeArtifacts
from service.backends.modal.dispatch import ElasticRoster, SpawnDispatcher
from service.backends.modal.jobs import DictJobs

__all__ = ["DictJobs", "ElasticRoster", "SpawnDispatcher", "VolumeArtifacts"]
