"""Which layer loses the accuracy, and why."""
