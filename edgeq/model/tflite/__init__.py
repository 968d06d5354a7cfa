"""Reading .tflite files: the schema as data, and a flatbuffer reader that trusts nothing."""
