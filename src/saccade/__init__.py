"""Recurrent visual attention: a network that looks at an image through a small window and learns where to look next."""
