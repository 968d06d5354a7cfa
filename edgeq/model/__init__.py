"""A .tflite model as plain data, read once and checked once.

And what it is defined by: the fixed-point arithmetic, inputs, arrays on their way in and out.
"""
