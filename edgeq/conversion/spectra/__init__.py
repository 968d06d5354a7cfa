"""Spectra that a model computes itself, by tf.signal or keras.ops: as front ends, or refused."""
