"""How good a model is, with the arithmetic of the device it runs on."""
