"""The stages of front ends: ops that no file holds, made by `edgeq.frontend` and nobody else."""
