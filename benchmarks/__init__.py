"""Speed of training and inference on this machine, against its limits and a plain loop: `make bench`."""
