"""The checker of annotations in the tests: an int is a float, as it is to every type checker."""

from beartype import BeartypeConf, beartype

checked = beartype(conf=BeartypeConf(is_pep484_tower=True))
