"""What every room needs and none owns.

Output files, progress, JSON text, sizes, seeds, signatures, and where shipped data lies.
"""
