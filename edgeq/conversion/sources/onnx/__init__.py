"""ONNX files as Keras models: read under limits, axes put in order once, an op a function."""
