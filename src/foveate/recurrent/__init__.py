"""Features in, hidden states and answers out: the loop that looks, and the record of what it did."""
