"""A real SLURM, for those that ask for it."""

from tests.slurm.cluster import cluster as cluster
from tests.slurm.cluster import running_cluster as running_cluster
