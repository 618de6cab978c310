"""Personal data in text and sound: found, masked, silenced."""
