"""Making the bundled calls: speech, telephone sounds, mixing, encoding."""
