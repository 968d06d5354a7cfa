"""Two results of the same kind held against each other: is the difference real?"""
