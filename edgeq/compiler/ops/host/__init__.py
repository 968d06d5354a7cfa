"""Forms for hosts; the kernels lie in kernels/host."""
