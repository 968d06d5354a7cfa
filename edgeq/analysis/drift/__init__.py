"""Has the world changed since deployment? A profile of inputs and outputs, new data against it."""
