"""The plain alternative: what a good team would write first, for `make bench` to compare amcash with."""
