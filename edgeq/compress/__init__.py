"""Training-time compression of Keras 3 models: ordinary Keras models in, ordinary ones out."""
