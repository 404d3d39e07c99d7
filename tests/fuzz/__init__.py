"""Corpus mutators for what laden reads: zips, tables and images, and the judges that hold the readers to their word.

Own, small, seeded: a seed and a number name one case for ever. `python -m tests.fuzz zips 1 17 18` reads case 17 of
seed 1 again and shows what became of it.
"""
