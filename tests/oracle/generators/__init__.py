"""Random models of one op: each module has a `GENERATORS`, one for each op and type.

`tests/oracle/fuzz.py` collects them and `tests/oracle/test_fuzz.py` runs some of each.
"""
