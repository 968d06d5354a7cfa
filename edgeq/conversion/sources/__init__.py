"""Readers of trained models: Keras 3, Keras 2 files, SavedModels, other people's .tflite files."""
