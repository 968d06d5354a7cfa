"""From a trained model to a verified integer .tflite; the only place that imports TensorFlow."""
