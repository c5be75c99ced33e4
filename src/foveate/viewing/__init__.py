"""Images and a trained model in, pictures out: where it looked, what it saw there, what it answered."""
