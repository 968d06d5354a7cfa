"""Layers with weights or windows: convolutions, dense layers, pools, recurrent layers."""
