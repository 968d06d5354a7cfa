"""What is true of a model on a device.

Inspection, verification, evaluation, profiles, limits, diagnosis and drift.
"""
