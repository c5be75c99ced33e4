"""Drawings and pictures from a browser in, looks out: a page on this machine where a model is watched as it looks."""
