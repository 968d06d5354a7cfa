"""PyTorch models, by way of ONNX: exported programs and the user's own modules."""
