"""The signal ops of TensorFlow Lite Micro."""
